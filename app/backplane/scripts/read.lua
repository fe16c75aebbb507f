-- Reads a room's position and a part of its log; makes the epoch of a room that has none. For the log see publish.lua.
--
-- KEYS  log, meta
-- ARGV  1 epoch for a new room, empty: none may be made
--       2 seconds that a room lives in which nothing was ever said, from the last read
--       3 first seq wanted (0: the latest)   4 most events wanted   5, 6 epoch and mid to prove at seq first - 1
--         (5 empty: nothing to prove)
--
-- Returns  an error that begins with FULL where none may be made; else
--          epoch, seq and mid of the last event, seq of the oldest one kept, 1 if the proof holds else 0, and entries of
--          the log: all wanted events are among theirs, and no more than the first and the last entry have others;
--          then the topic as JSON, empty if there is none, and how many events so far were no messages.
local epoch, seq, mid, topic, others = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'mid', 'topic', 'others'))
if not epoch or not seq then
  if ARGV[1] == '' then return redis.error_reply('FULL no room is made') end
  epoch, seq, mid = ARGV[1], 0, ''
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'seq', 0, 'mid', '', 'renewed', 0)
end
seq = tonumber(seq)
-- Workers read every room that is open there now and then. A Redis that takes no writes is no reason not to be read.
if seq == 0 then redis.pcall('EXPIRE', KEYS[2], ARGV[2]) end
local length = redis.call('LLEN', KEYS[1])
local from, most = tonumber(ARGV[3]), tonumber(ARGV[4])

--@locate

local oldest = length > 0 and head(0) or seq + 1

local proved = 0
if ARGV[5] ~= '' and ARGV[5] == epoch then
  local before = from - 1
  if before == seq and ARGV[6] == mid then
    proved = 1
  elseif before == 0 and oldest == 1 and ARGV[6] == '' then
    proved = 1
  elseif before >= oldest and before < seq then
    local _, _, _, token = head(locate(before))
    if string.format('%s.%d', token, before) == ARGV[6] then proved = 1 end
  end
end

local entries = {}
if most > 0 and length > 0 and from <= seq then
  if from == 0 then from = seq - most + 1 end
  from = math.max(from, oldest)
  local last = math.min(from + most - 1, seq)
  entries = redis.call('LRANGE', KEYS[1], locate(from), last == seq and -1 or locate(last))
end
return {epoch, seq, mid, oldest, proved, entries, topic or '', tonumber(others or 0)}
