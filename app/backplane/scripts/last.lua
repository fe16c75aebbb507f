-- Reads where a room is.
--
-- KEYS  log, meta
--
-- Returns  epoch, seq of the last event, its time in milliseconds, how many events are no messages; nil if there is none.
local epoch, seq, others = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'others'))
if not epoch or not seq then return false end
local entry = redis.call('LINDEX', KEYS[1], -1)
local ts = entry and string.match(entry, '^%d+ %d+ (%d+)') or 0
return {epoch, tonumber(seq), tonumber(ts), tonumber(others or 0)}
