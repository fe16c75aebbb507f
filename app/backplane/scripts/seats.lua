-- Writes how many connections a user has on the caller, and says how many on all workers that have written it.
--
-- KEYS  seats (hash: worker -> number)
-- ARGV  1 worker   2 the number, 0 to be forgotten   3 seconds until all is forgotten
--
-- Returns  worker, number, worker, number ...
local call = redis.call
if ARGV[2] == '0' then
  call('HDEL', KEYS[1], ARGV[1])
else
  call('HSET', KEYS[1], ARGV[1], ARGV[2])
  call('EXPIRE', KEYS[1], ARGV[3])
end
return call('HGETALL', KEYS[1])
