-- Append a batch of events to a task, once, in order, under its fencing token. docs/protocol.md §5.
--
-- KEYS[1] head    hash    epoch seq attempt n state cancel lease closed reserved failures bytes status
-- KEYS[2] log     stream  <seq>-0  e=<event>
-- KEYS[3] events  stream  *        task epoch first last frame
-- KEYS[4] live    sharded channel  "<epoch> <first> <last> <kind>\n<frame>"
--
-- ARGV[1] task id           ARGV[2] epoch as the caller knows it   ARGV[3] attempt
-- ARGV[4] n of the first event                                     ARGV[5] lease in ms (0 releases it)
-- ARGV[6] most events and   ARGV[7] most bytes the log keeps       ARGV[8] ms that head and log outlive the end
-- ARGV[9] state after the batch ('' unchanged)                     ARGV[10] 1 when the last event is terminal
-- ARGV[11] index of the newest status event (0 none)               ARGV[12] live kind
-- ARGV[13] 1 when the attempt ends here as a failure
-- ARGV[14…] event bodies: `"attempt":…}`
--
-- `bytes` in the head is the size of the events that the log holds.
--
-- Returns {outcome, a, b, cancel requested (0/1), backlog of the partition stream}:
--   unknown 0 0 · closed 0 0 · fenced <head's attempt> 0 · unclaimed <head's attempt> 0
--   gap <expected n> <received n> · duplicate <last n> 0 · appended <first seq> <last seq>

local head, log, stream, live = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local attempt, n = tonumber(ARGV[3]), tonumber(ARGV[4])
local BODIES = 14
local count = #ARGV - BODIES + 1

local function int(x) return string.format('%.0f', x) end

local h = redis.call('HMGET', head, 'epoch', 'seq', 'attempt', 'n', 'cancel', 'closed', 'bytes')
local epoch = h[1]
if not epoch then return {'unknown', 0, 0, 0, 0} end
local seq, current, last_n = tonumber(h[2]), tonumber(h[3]), tonumber(h[4])
local cancel, closed = tonumber(h[5]), h[6] == '1'

local function reply(outcome, a, b)
  return {outcome, a, b, cancel, redis.call('XLEN', stream)}
end

-- The caller was told of a claim or of events that are not here: Redis came back older than it was. What is left is
-- deleted, so that the task goes on in another epoch and nobody takes the new events of a seq for those they saw (§4.6).
local function forgotten(outcome, a, b)
  local answer = reply(outcome, a, b)
  redis.call('DEL', head, log)
  return answer
end

-- The table of §5.2, row by row; `decide` in protocol/head.py is its twin.
local known = epoch == ARGV[2]
if closed then
  if known and attempt == current and n + count - 1 <= last_n then return reply('duplicate', last_n, 0) end
  return reply('closed', 0, 0)
end
if not known or attempt < current then return reply('fenced', current, 0) end
if attempt > current then return forgotten('unclaimed', current, 0) end
if n + count - 1 <= last_n then return reply('duplicate', last_n, 0) end
if n > last_n + 1 then return forgotten('gap', last_n + 1, n) end

local first = seq + 1
local events, added = {}, 0
local status = tonumber(ARGV[11])
for i = last_n - n + 2, count do -- a batch that overlaps what is there continues after it
  seq = seq + 1
  local event = '{"task":"' .. ARGV[1] .. '","seq":' .. int(seq) .. ',' .. ARGV[BODIES + i - 1]
  events[#events + 1] = event
  added = added + #event
  redis.call('XADD', log, int(seq) .. '-0', 'e', event)
  if i == status then redis.call('HSET', head, 'status', event) end
end
local frame = '[' .. table.concat(events, ',') .. ']'
redis.call('XADD', stream, '*', 'task', ARGV[1], 'epoch', epoch, 'first', int(first), 'last', int(seq), 'frame', frame)

-- The log's bounds (§5.4). What goes is read once, to know its size; `bytes` is then what the log holds, exactly.
local most, most_bytes = tonumber(ARGV[6]), tonumber(ARGV[7])
local kept = redis.call('XLEN', log)
local bytes = added + (kept > #events and tonumber(h[7]) or 0)
if kept > most or bytes > most_bytes then
  local from, step = '-', #events
  while kept > 1 and (kept > most or bytes > most_bytes) do
    for _, entry in ipairs(redis.call('XRANGE', log, from, '+', 'COUNT', int(step))) do
      if kept == 1 or (kept <= most and bytes <= most_bytes) then break end
      kept, bytes, from = kept - 1, bytes - #entry[2][2], '(' .. entry[1]
    end
    step = step * 2
  end
  redis.call('XTRIM', log, 'MAXLEN', int(kept))
end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local lease = tonumber(ARGV[5])
redis.call('HSET', head, 'seq', int(seq), 'n', int(n + count - 1), 'bytes', int(bytes),
  'lease', lease > 0 and int(now + lease) or '0')
if ARGV[9] ~= '' then redis.call('HSET', head, 'state', ARGV[9]) end
if ARGV[13] == '1' then redis.call('HINCRBY', head, 'failures', 1) end
if ARGV[10] == '1' then
  redis.call('HSET', head, 'closed', '1', 'lease', '0')
  redis.call('PEXPIRE', head, ARGV[8])
  redis.call('PEXPIRE', log, ARGV[8])
end
redis.call('SPUBLISH', live, epoch .. ' ' .. int(first) .. ' ' .. int(seq) .. ' ' .. ARGV[12] .. '\n' .. frame)
return reply('appended', first, seq)
