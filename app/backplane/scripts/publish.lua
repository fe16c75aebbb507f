-- Stores and publishes the changes that one worker collected for one room, as one entry of the room's log.
--
-- KEYS  log, meta, then one dedupe record for each sender among the changes
-- ARGV  1 channel   2 events kept   3 seconds kept   4 token for mids   5 epoch for a new room (unused before)
--       6 seconds of the dedupe window   7 cids kept per sender
--       8... pairs, one for each sender: 8-byte digests of the cids, joined; bodies (JSON without its head, beginning
--       with a comma), joined by newlines
--       behind the pairs, in the script that takes an amendment, what amend.lua asks for
--
-- Returns  epoch, ts, mid token, then for each sender the seq of its first change if all were stored now, or a list:
--          per change its seq, or "seq mid ts" if its cid was there already (mid empty and ts 0 if no longer kept).
--
-- An entry of the log is "first count ts token", then a line for each body; event n of it has seq first + n and mid
-- token.seq. Published is "epoch previous changed ", then the entry: previous is the mid of the event before, changed the
-- number of earlier events that an amendment changed. Workers put the heads before the bodies: what is done once per
-- event here is done on the one core that all workers share.
--
-- A dedupe record is the epoch and then 14 bytes a change, oldest first: the digest and the seq. It grows by
-- appending, which is also all that goes to the append-only file, and is cut back to the cids kept when twice as many.
-- A script that fails half-way is not rolled back, so events are written before the records that would make a retry
-- look like a duplicate.
local call, find, sub, format = redis.call, string.find, string.sub, string.format
local now = call('TIME')
local seconds = tonumber(now[1])
local ts = format('%d%03d', seconds, now[2] / 1000)
local kept, age, window = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[6])
local token = ARGV[4]

local meta = call('HMGET', KEYS[2], 'epoch', 'seq', 'mid', 'renewed')
local epoch, seq, last, renewed = meta[1], tonumber(meta[2]), meta[3], tonumber(meta[4])
if not epoch or not seq then
  epoch, seq, last, renewed = ARGV[5], 0, '', 0
  call('DEL', KEYS[1])
end
local start = #epoch + 1

-- The seq of a digest in a record, or nil. A match that is not at the start of an entry is a coincidence.
local function known(record, digest)
  local at = find(record, digest, start, true)
  while at do
    if (at - start) % 14 == 0 then return (struct.unpack('>I6', record, at + 8)) end
    at = find(record, digest, at + 1, true)
  end
end

--@locate

local function duplicate(number)
  if number > seq then return format('%d %s.%d %s', number, token, number, ts) end
  local index = locate(number)
  if index >= 0 then
    local first, count, at, name = head(index)
    if number < first + count then return format('%d %s.%d %.0f', number, name, number, at) end
  end
  return format('%d  0', number)
end

-- How many entries at the beginning of the log are older than `limit`, in milliseconds.
local function older(limit)
  local low, high = 0, call('LLEN', KEYS[1])
  while low < high do
    local middle = math.floor((low + high) / 2)
    local _, _, at = head(middle)
    if at < limit then low = middle + 1 else high = middle end
  end
  return low
end

local reply, lines, grown, top = {epoch, ts, token}, {}, {}, seq
for i = 8, 2 * #KEYS + 3, 2 do
  local digests, key = ARGV[i], KEYS[i / 2 - 1]
  local record = call('GET', key) or ''
  if sub(record, 1, start - 1) ~= epoch then record = '' end
  local added, fresh, answers, begin = {}, {}, {}, top + 1
  local doubled
  for at = 1, #digests, 8 do
    local digest = sub(digests, at, at + 7)
    local before = fresh[digest] or known(record, digest)
    if before then
      doubled = doubled or {}
      doubled[#answers + 1] = true
      answers[#answers + 1] = duplicate(before)
    else
      top = top + 1
      fresh[digest] = top
      added[#added + 1] = struct.pack('>c8I6', digest, top)
      answers[#answers + 1] = top
    end
  end
  if not doubled then
    reply[#reply + 1] = begin
    lines[#lines + 1] = ARGV[i + 1]
  else
    reply[#reply + 1] = answers
    local n = 0
    for body in string.gmatch(ARGV[i + 1], '[^\n]+') do
      n = n + 1
      if not doubled[n] then lines[#lines + 1] = body end
    end
  end
  if #added > 0 then grown[#grown + 1] = {key, record, table.concat(added)} end
end
if top == seq then return reply end

-- What an amendment adds to the publication: the number of events it changed, and each of them as it is now.
local changed, changes = 0, ''
--@amend

local entry = format('%d %d %s %s\n', seq + 1, top - seq, ts, token) .. table.concat(lines, '\n')
local length = call('RPUSH', KEYS[1], entry)
-- Looked at with every 16th event: trimmed by age, and by count an eighth at a time; at least as much is kept as promised.
if length > 1 and math.floor(top / 16) ~= math.floor(seq / 16) then
  local first, _, at = head(0)
  local cut, limit = 0, (seconds - age) * 1000
  if top - first >= kept + math.max(kept / 8, 50) then cut = locate(top - kept + 1) end
  if at < limit then cut = math.max(cut, older(limit)) end
  if cut > 0 then call('LTRIM', KEYS[1], cut, -1) end
end

local mid = token .. '.' .. format('%d', top)
if seq == 0 then
  call('HSET', KEYS[2], 'epoch', epoch, 'seq', top, 'mid', mid)
else
  call('HSET', KEYS[2], 'seq', top, 'mid', mid)
end
-- The numbers outlive the events by a day, so that a position in a room fallen silent can still be judged.
if seconds - renewed > math.min(age / 8, 3600) then
  call('HSET', KEYS[2], 'renewed', seconds)
  call('EXPIRE', KEYS[1], math.floor(age * 1.25))
  call('EXPIRE', KEYS[2], math.floor(age * 1.25) + 86400)
end

for _, growth in ipairs(grown) do
  local key, record, entries = growth[1], growth[2], growth[3]
  if record == '' then
    call('SET', key, epoch .. entries, 'EX', 2 * window)
  elseif #record + #entries > 28 * ARGV[7] + start then
    call('SET', key, epoch .. sub(record .. entries, -14 * ARGV[7]), 'EX', 2 * window)
  else
    call('APPEND', key, entries)
    if call('TTL', key) < window then call('EXPIRE', key, 2 * window) end
  end
end
call('PUBLISH', ARGV[1], epoch .. ' ' .. last .. ' ' .. changed .. ' ' .. entry .. changes)
return reply
