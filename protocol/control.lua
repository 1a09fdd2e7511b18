-- The calls on a task's head that append nothing: create, claim, renew, cancel. docs/protocol.md §4.
--
-- KEYS[1] head    hash    epoch seq attempt n state cancel lease closed status
--
-- ARGV[1] create · ARGV[2] epoch · ARGV[3] seq · ARGV[4] attempt · ARGV[5] state
--         returns {created|exists, epoch}
-- ARGV[1] claim  · ARGV[2] lease in ms
--         returns {unknown 0 | closed 0 | cancelled 0 | leased <ms left> | claimed <attempt>}
-- ARGV[1] renew  · ARGV[2] lease in ms · ARGV[3] attempt
--         returns {unknown 0 | closed 0 | fenced <attempt> | unclaimed <attempt> | renewed <cancel requested 0/1>}
-- ARGV[1] cancel
--         returns {unknown '' | closed <state> | cancelling <state>}

local head, op = KEYS[1], ARGV[1]
local h = redis.call('HMGET', head, 'epoch', 'attempt', 'state', 'cancel', 'lease', 'closed')

if op == 'create' then
  if h[1] then return {'exists', h[1]} end
  redis.call('HSET', head, 'epoch', ARGV[2], 'seq', ARGV[3], 'attempt', ARGV[4], 'n', '0', 'state', ARGV[5],
    'cancel', '0', 'lease', '0', 'closed', '0')
  return {'created', ARGV[2]}
end

if not h[1] then return {'unknown', op == 'cancel' and '' or 0} end
if h[6] == '1' then return {'closed', op == 'cancel' and h[3] or 0} end

if op == 'cancel' then
  redis.call('HSET', head, 'cancel', '1')
  return {'cancelling', h[3]}
end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local attempt = tonumber(h[2])
local lease = string.format('%.0f', now + tonumber(ARGV[2]))

if op == 'claim' then
  if h[4] == '1' then return {'cancelled', 0} end
  if tonumber(h[5]) > now then return {'leased', tonumber(h[5]) - now} end
  redis.call('HSET', head, 'attempt', string.format('%.0f', attempt + 1), 'n', '0', 'lease', lease)
  return {'claimed', attempt + 1}
end

if op == 'renew' then
  local mine = tonumber(ARGV[3])
  if mine < attempt then return {'fenced', attempt} end
  if mine > attempt then return {'unclaimed', attempt} end
  redis.call('HSET', head, 'lease', lease)
  return {'renewed', tonumber(h[4])}
end

return redis.error_reply('ERR unknown operation ' .. op)
