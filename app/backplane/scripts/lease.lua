-- Keeps the caller's lease, and says whose leases run. Time is Redis' own.
--
-- KEYS  leases (sorted set: worker -> when its lease ends, in milliseconds)
-- ARGV  1 worker   2 milliseconds of a lease   3 "end": it is not to run longer than these, else "keep"
--
-- Returns  1 if the caller's own lease had not ended, else 0; then all whose leases run, the caller among them.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[2])
local left = (tonumber(call('ZSCORE', KEYS[1], ARGV[1])) or 0) - now
-- A clock that went back, as by a failover to another machine, has made leases longer than they may be.
local ahead = call('ZRANGEBYSCORE', KEYS[1], string.format('(%d', now + 2 * lease), '+inf')
for _, worker in ipairs(ahead) do
  call('ZADD', KEYS[1], string.format('%d', now + lease), worker)
end
-- Not with every call: each renewal is written to Redis' disk.
if ARGV[3] == 'end' or left < lease * 3 / 4 then
  call('ZADD', KEYS[1], string.format('%d', now + lease), ARGV[1])
  call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now - 60000))
end
local reply = call('ZRANGEBYSCORE', KEYS[1], string.format('(%d', now), '+inf')
table.insert(reply, 1, left > 0 and 1 or 0)
return reply
