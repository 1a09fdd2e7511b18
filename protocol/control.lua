-- The calls on a task's head that append nothing, but for renew: create, claim, cancel. docs/protocol.md §4.
--
-- KEYS[1] head    hash    epoch seq attempt n state cancel lease closed reserved failures bytes status
--
-- KEYS[2] log     stream  with create only: what a head that was lost has left behind is dropped
--
-- ARGV[1] create  · ARGV[2] epoch · ARGV[3] seq · ARGV[4] attempt · ARGV[5] state
--         returns {created|exists, 0, 0, epoch, 0}
-- ARGV[1] claim   · ARGV[2] lease in ms
-- ARGV[1] reserve · ARGV[2] lease in ms
--         returns {unknown 0 0 '' 0 | closed 0 0 '' 0 | cancelled 0 0 '' 0 | leased <ms left> 0 '' 0 |
--                  claimed <attempt> <n> <epoch> <failures>}
-- ARGV[1] cancel
--         returns {unknown 0 0 '' 0 | closed 0 0 <state> 0 | cancelling <ms of lease left> 0 <state> 0}
-- `failures` counts attempts that failed (append says so) or whose owner let the lease run out (seen here).

local head, op = KEYS[1], ARGV[1]
local h = redis.call('HMGET', head, 'epoch', 'attempt', 'n', 'state', 'cancel', 'lease', 'closed', 'reserved', 'failures')
local epoch, state, closed = h[1], h[4], h[7] == '1'

local function int(x) return string.format('%.0f', x) end

if op == 'create' then
  if epoch then return {'exists', 0, 0, epoch, 0} end
  redis.call('UNLINK', KEYS[2])
  redis.call('HSET', head, 'epoch', ARGV[2], 'seq', ARGV[3], 'attempt', ARGV[4], 'n', '0', 'state', ARGV[5],
    'cancel', '0', 'lease', '0', 'closed', '0', 'reserved', '0', 'failures', '0', 'bytes', '0')
  return {'created', 0, 0, ARGV[2], 0}
end

if not epoch then return {'unknown', 0, 0, '', 0} end
if closed then return {'closed', 0, 0, op == 'cancel' and state or '', 0} end

local attempt, n, lease = tonumber(h[2]), tonumber(h[3]), tonumber(h[6])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

if op == 'cancel' then
  redis.call('HSET', head, 'cancel', '1')
  return {'cancelling', math.max(0, lease - now), 0, state, 0}
end

if op == 'claim' or op == 'reserve' then
  if op == 'claim' and h[5] == '1' then return {'cancelled', 0, 0, '', 0} end
  if lease > now then return {'leased', lease - now, 0, '', 0} end
  -- The attempt that a reserve has opened and an append has released. One that ran out may still have a writer.
  local handed_over = op == 'claim' and h[8] == '1' and lease == 0
  if not handed_over then attempt, n = attempt + 1, 0 end
  local failures = tonumber(h[9])
  if lease > 0 and h[8] == '0' then failures = failures + 1 end -- a worker owned it and never gave it up
  redis.call('HSET', head, 'attempt', int(attempt), 'n', int(n), 'lease', int(now + tonumber(ARGV[2])), 'failures', int(failures),
    'reserved', op == 'reserve' and '1' or '0')
  return {'claimed', attempt, n, epoch, failures}
end

return redis.error_reply('ERR unknown operation ' .. op)
