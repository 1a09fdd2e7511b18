-- Forget the consumers of a group that are gone: idle for long and with nothing pending. In one script, because
-- deleting a consumer drops what it has pending, and between a look and a deletion it might have been given something.
--
-- KEYS[1] events  stream
-- ARGV[1] group   ARGV[2] idle time in ms from which a consumer is gone
--
-- Returns how many were forgotten.

local forgotten = 0
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local c = {}
  for i = 1, #fields, 2 do c[fields[i]] = fields[i + 1] end
  if c.pending == 0 and c.idle >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c.name)
    forgotten = forgotten + 1
  end
end
return forgotten
