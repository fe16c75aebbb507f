-- Writes which people of a room are on one worker, and tells the other workers.
--
-- KEYS  roster (hash: user -> name; the empty field holds the version)
-- ARGV  1 channel   2 publication   3 version that this is a change of, 0 if nobody was there   4 its own version
--       5 people there with this change   6 seconds to live   7 "1": the roster is written anew
--       8 n   9... n times user, name of those who joined; then users who left
--
-- Returns  1, or 0 if another version is stored: then nothing is written or told.
local call = redis.call
local people, joined = tonumber(ARGV[5]), tonumber(ARGV[8])
if ARGV[7] ~= '1' and (call('HGET', KEYS[1], '') or '0') ~= ARGV[3] then return 0 end
if ARGV[7] == '1' or people == 0 then call('DEL', KEYS[1]) end
if people > 0 then
  -- A call in Lua takes a few thousand arguments at the most.
  for at = 9, 8 + 2 * joined, 1000 do
    call('HSET', KEYS[1], unpack(ARGV, at, math.min(at + 999, 8 + 2 * joined)))
  end
  for at = 9 + 2 * joined, #ARGV, 1000 do
    call('HDEL', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV)))
  end
  call('HSET', KEYS[1], '', ARGV[4])
  call('EXPIRE', KEYS[1], ARGV[6])
end
call('PUBLISH', ARGV[1], ARGV[2])
return 1
