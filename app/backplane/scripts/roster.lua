-- Writes which people of a room are on one worker, and tells the other workers.
--
-- KEYS  roster (hash: user -> name; the empty field holds the version)
-- ARGV  1 channel   2 publication   3 version   4 people there with this change   5 seconds to live
--       6 "1": the roster is written anew   7 n   8... n times user, name of those who joined; then users who left
local call = redis.call
local people, joined = tonumber(ARGV[4]), tonumber(ARGV[7])
if ARGV[6] == '1' or people == 0 then call('DEL', KEYS[1]) end
if people > 0 then
  -- A call in Lua takes a few thousand arguments at the most.
  for at = 8, 7 + 2 * joined, 1000 do
    call('HSET', KEYS[1], unpack(ARGV, at, math.min(at + 999, 7 + 2 * joined)))
  end
  for at = 8 + 2 * joined, #ARGV, 1000 do
    call('HDEL', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV)))
  end
  call('HSET', KEYS[1], '', ARGV[3])
  call('EXPIRE', KEYS[1], ARGV[5])
end
call('PUBLISH', ARGV[1], ARGV[2])
return 1
