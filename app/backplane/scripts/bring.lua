-- Notes rooms in which somebody of a network has written, among those that come first in the list or behind them.
--
-- KEYS  1 rooms that come first -> time of their last event   2 the others   3 those first ones that the network brought
-- ARGV  1 most rooms that the network can have come first   2 seconds kept   3.. time in milliseconds, room, for each
--
-- Returns  how many rooms of the network went behind. A room comes first by whoever writes in it; the network's oldest
-- go behind for it.
for i = 3, #ARGV, 2 do
  local ts, room = ARGV[i], ARGV[i + 1]
  if not redis.call('ZSCORE', KEYS[1], room) or redis.call('ZSCORE', KEYS[3], room) then
    redis.call('ZADD', KEYS[3], 'GT', ts, room)
    redis.call('ZREM', KEYS[2], room)
  end
  redis.call('ZADD', KEYS[1], 'GT', ts, room)
end
redis.call('EXPIRE', KEYS[3], ARGV[2])
local over = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[1])
if over <= 0 then return 0 end
for _, room in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '+inf', 'LIMIT', 0, over)) do
  local at = redis.call('ZSCORE', KEYS[1], room)
  redis.call('ZREM', KEYS[3], room)
  if at then
    redis.call('ZREM', KEYS[1], room)
    redis.call('ZADD', KEYS[2], 'GT', at, room)
  end
end
return over
