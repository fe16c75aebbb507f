-- Reads several workers' rosters of a room.
--
-- KEYS  rosters, see roster.lua
local reply = {}
for i, key in ipairs(KEYS) do reply[i] = redis.call('HGETALL', key) end
return reply
