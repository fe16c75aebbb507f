-- Notes a direct room among a user's, and tells the user's connections.
--
-- KEYS  direct rooms of the user
-- ARGV  1 room   2 with whom, as JSON   3 seconds kept   4 most rooms   5 channel of the user
--       6 what to tell there if this is the room's first message for the user   7 what to tell of every message;
--         both are empty if the user only opens the room
--
-- Returns  1 if the user had no message there before. A room that was only opened has the time 0.
local held = redis.call('HGET', KEYS[1], ARGV[1])
local at = held and string.match(held, '^(%d+)') or '0'
local new = at == '0'
if not held and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  -- One more than may be kept: the one longest without a new message goes.
  local all, oldest, since = redis.call('HGETALL', KEYS[1]), nil, math.huge
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '^(%d+)'))
    if at < since then oldest, since = all[i], at end
  end
  redis.call('HDEL', KEYS[1], oldest)
end
if ARGV[7] ~= '' then at = redis.call('TIME')[1] end
redis.call('HSET', KEYS[1], ARGV[1], at .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
if ARGV[7] ~= '' then
  if new then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
  redis.call('PUBLISH', ARGV[5], ARGV[7])
end
return new and 1 or 0
