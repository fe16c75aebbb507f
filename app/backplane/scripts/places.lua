-- Reads where each of some rooms is.
--
-- KEYS  log and meta of each
--
-- Returns  for each: epoch, seq of the last event, its time in milliseconds, how many events are no messages; nil if
--          there is none.
local found = {}
for i = 1, #KEYS, 2 do
  local epoch, seq, others = unpack(redis.call('HMGET', KEYS[i + 1], 'epoch', 'seq', 'others'))
  local place = false
  if epoch and seq then
    local entry = redis.call('LINDEX', KEYS[i], -1)
    place = {epoch, tonumber(seq), tonumber(entry and string.match(entry, '^%d+ %d+ (%d+)') or 0), tonumber(others or 0)}
  end
  found[#found + 1] = place
end
return found
