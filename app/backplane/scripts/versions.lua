-- Reads the versions of several workers' rosters of a room, and lets the first live on.
--
-- KEYS  rosters, see roster.lua; the caller's own first
-- ARGV  1 seconds to live
redis.call('EXPIRE', KEYS[1], ARGV[1])
local reply = {}
for i, key in ipairs(KEYS) do reply[i] = tonumber(redis.call('HGET', key, '')) or 0 end
return reply
