#!lua flags=allow-oom
-- Keep owning a task. docs/protocol.md §4.3. A script of its own, which Redis runs also when its memory is at the limit:
-- owners who wait there until their events are taken do not lose their tasks meanwhile. It needs no new memory.
--
-- KEYS[1] head    hash    epoch attempt cancel lease closed
--
-- ARGV[1] lease in ms · ARGV[2] attempt · ARGV[3] epoch
-- Returns {unknown 0 | closed 0 | fenced <attempt> | unclaimed <attempt> | renewed <cancel requested 0/1>}

local h = redis.call('HMGET', KEYS[1], 'epoch', 'attempt', 'cancel', 'lease', 'closed')
if not h[1] then return {'unknown', 0} end
if h[5] == '1' then return {'closed', 0} end

local attempt, mine = tonumber(h[2]), tonumber(ARGV[2])
if ARGV[3] ~= h[1] or mine < attempt then return {'fenced', attempt} end
if mine > attempt then return {'unclaimed', attempt} end
if tonumber(h[4]) > 0 then -- what an append has given up stays given up
  local clock = redis.call('TIME')
  local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
  redis.call('HSET', KEYS[1], 'lease', string.format('%.0f', now + tonumber(ARGV[1])))
end
return {'renewed', tonumber(h[3])}
