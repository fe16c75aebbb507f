-- Moves a user's read mark of a room forward, and tells the user's connections.
--
-- KEYS  marks of the user
-- ARGV  1 room   2 its epoch   3 seq   4 how many events up to it were no messages   5 seconds kept   6 most marks
--       7 channel of the user   8 what to tell there
--
-- Returns  the mark that holds now: seq and number of others. Marks never move back, except with the room's epoch.
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held then
  local epoch, seq, others = string.match(held, '^(%S+) (%d+) (%d+)')
  if epoch == ARGV[2] and tonumber(seq) >= tonumber(ARGV[3]) then return {tonumber(seq), tonumber(others)} end
elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then
  -- One more than may be kept: the one moved longest ago goes.
  local all, oldest, since = redis.call('HGETALL', KEYS[1]), nil, math.huge
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '(%d+)$'))
    if at < since then oldest, since = all[i], at end
  end
  redis.call('HDEL', KEYS[1], oldest)
end
redis.call('HSET', KEYS[1], ARGV[1], table.concat({ARGV[2], ARGV[3], ARGV[4], redis.call('TIME')[1]}, ' '))
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('PUBLISH', ARGV[7], ARGV[8])
return {tonumber(ARGV[3]), tonumber(ARGV[4])}
