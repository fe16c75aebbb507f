-- Counts changes of users, or of networks, against a rate that all workers share.
--
-- KEYS  for each of them: when, by this clock in microseconds, what it has sent would be worked off at the rate
-- ARGV  1 microseconds that a change takes at the rate   2 most microseconds one can be ahead
--       3 for how many microseconds changes are gathered before they are told of
--       4... for each key, how many changes there were since the last call
--
-- Returns  for each key, how many microseconds its owner is ahead of the rate now, all workers taken together.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local ahead = {}
for i = 1, #KEYS do
  local done = tonumber(redis.call('GET', KEYS[i]) or 0)
  -- What is told of now began a while ago; time has brought something since.
  done = math.max(done, now - ARGV[3]) + ARGV[1] * ARGV[3 + i]
  done = math.min(done, now + ARGV[2])
  redis.call('SET', KEYS[i], string.format('%.0f', done), 'PX', math.floor((done - now + ARGV[3]) / 1000) + 1)
  ahead[i] = math.max(0, math.floor(done - now))
end
return ahead
