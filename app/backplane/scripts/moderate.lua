-- Notes bans, mutes and kicks, or their end, writes down who did it, and tells all workers.
--
-- KEYS  1 what holds: key -> time, until and the sanction; the version in the empty field   2 key -> until
--       3 what was done there   4 what was done anywhere, as older releases wrote it down: it ends as late as the rest
-- ARGV  1 'hold', 'lift', or 'note' for what is only written down   2 the sanction as JSON   3 seconds, 0: for ever
--       4 how many may hold in all   5 most that is written down there   6 seconds it is kept   7 channel of the workers
--       8.. keys
--
-- Returns  time, until (0: for ever), how many keys were changed and the version before; nothing if too many hold.
-- Times are in milliseconds. The version is the time of the last change, never the same twice.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('HDEL', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
end
local function text(number) return string.format('%.0f', number) end
local before = tonumber(redis.call('HGET', KEYS[1], '') or '0')
local at = math.max(now, before + 1)
local seconds = tonumber(ARGV[3])
local ends = seconds > 0 and now + math.ceil(seconds * 1000) or 0
local changed = 0
if ARGV[1] == 'hold' then
  if redis.call('HEXISTS', KEYS[1], ARGV[8]) == 0 and redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then return {} end
  redis.call('HSET', KEYS[1], ARGV[8], text(at) .. ' ' .. text(ends) .. ' ' .. ARGV[2])
  if ends > 0 then redis.call('ZADD', KEYS[2], text(ends), ARGV[8]) else redis.call('ZREM', KEYS[2], ARGV[8]) end
  changed = 1
elseif ARGV[1] == 'lift' then
  for i = 8, #ARGV do
    changed = changed + redis.call('HDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], ARGV[i])
  end
  if changed == 0 then return {at, 0, 0, before} end
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'until', text(ends), 'what', ARGV[2])
redis.call('XTRIM', KEYS[3], 'MINID', '~', text(now - ARGV[6] * 1000))
redis.call('EXPIRE', KEYS[3], ARGV[6])
if redis.call('TTL', KEYS[4]) == -1 then redis.call('EXPIRE', KEYS[4], ARGV[6]) end
if changed > 0 then
  redis.call('HSET', KEYS[1], '', text(at))
  local head = table.concat({ARGV[1], text(before), text(at), text(ends)}, ' ')
  redis.call('PUBLISH', ARGV[7], table.concat({head, ARGV[2], unpack(ARGV, 8)}, '\n'))
end
return {at, ends, changed, before}
