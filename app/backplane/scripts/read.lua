-- Reads a room's position and a part of its log; makes the epoch of a room that has none.
--
-- KEYS  log, meta
-- ARGV  1 epoch for a new room   2 seconds kept
--       3 first seq wanted (0: the latest)   4 most events returned   5, 6 epoch and mid to prove at seq first - 1
--         (5 empty: nothing to prove)
--
-- Returns  epoch, seq and mid of the last event, seq of the oldest one kept, 1 if the proof holds else 0, events.
local epoch, seq, mid = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'mid'))
if not epoch or not seq then
  epoch, seq, mid = ARGV[1], 0, ''
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'seq', 0, 'mid', '', 'renewed', 0)
  redis.call('EXPIRE', KEYS[2], math.floor(ARGV[2] * 1.25) + 86400)
end
seq = tonumber(seq)
local length = redis.call('LLEN', KEYS[1])
local oldest = seq - length + 1
local from, most = tonumber(ARGV[3]), tonumber(ARGV[4])

local proved = 0
if ARGV[5] ~= '' and ARGV[5] == epoch then
  local before = from - 1
  if before == seq and ARGV[6] == mid then
    proved = 1
  elseif before == 0 and oldest == 1 and ARGV[6] == '' then
    proved = 1
  elseif before >= oldest and before < seq then
    local event = redis.call('LINDEX', KEYS[1], before - oldest)
    if event and string.match(event, '^{"seq":%d+,"mid":"([^"]*)"') == ARGV[6] then proved = 1 end
  end
end

local events = {}
if most > 0 and length > 0 then
  if from == 0 then
    events = redis.call('LRANGE', KEYS[1], -most, -1)
  elseif from <= seq then
    local start = math.max(from - oldest, 0)
    events = redis.call('LRANGE', KEYS[1], start, start + most - 1)
  end
end
return {epoch, seq, mid, oldest, proved, events}
