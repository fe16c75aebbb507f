-- Says whether a server's secret is that of the servers that live, and puts it there if so, or if none lives.
--
-- KEYS  1 the secret's fingerprint (hash: mark, at)   2 leases (sorted set: worker -> when its lease ends)
-- ARGV  1 milliseconds after which a server that has started holds a lease   2 fingerprint of the secret that signs
--       3... those of the other secrets that it knows
--
-- Returns  1 if the server may start, else 0.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = call('HMGET', KEYS[1], 'mark', 'at')
local known = not held[1]
for i = 2, #ARGV do
  known = known or ARGV[i] == held[1]
end
if not known then
  local living = call('ZRANGEBYSCORE', KEYS[2], string.format('(%d', now), '+inf', 'LIMIT', 0, 1)
  if #living > 0 or now - tonumber(held[2]) < tonumber(ARGV[1]) then return 0 end
end
-- A Redis that takes no writes just now is no reason not to start.
redis.pcall('HSET', KEYS[1], 'mark', ARGV[2], 'at', string.format('%d', now))
return 1
