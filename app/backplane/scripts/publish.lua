-- Stores and publishes the changes that one worker collected for one room.
--
-- KEYS  log, meta, then one dedupe record for each sender among the changes
-- ARGV  1 channel   2 events kept   3 seconds kept   4 token for mids   5 epoch for a new room (unused before)
--       6 seconds of the dedupe window   7 cids kept per sender
--       8... triples: number of the sender's record, 8-byte digest of the cid, body (JSON without its head,
--       beginning with a comma)
--
-- Returns  epoch, ts, mid token, then per change, in the order given: its seq if it was stored now (its mid is
--          token.seq), or "seq mid ts" if its cid was there already (mid empty and ts 0 if it is no longer kept).
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

local function duplicate(number)
  if number > seq then return format('%d %s.%d %s', number, token, number, ts) end
  local event = call('LINDEX', KEYS[1], number - seq - 1)
  local mid, at = '', 0
  if event then mid, at = string.match(event, '^{"seq":%d+,"mid":"([^"]*)","ts":(%d+)') end
  return format('%d %s %s', number, mid, at)
end

local reply, events, records, added = {epoch, ts, token}, {}, {}, {}
local top = seq
for i = 8, #ARGV, 3 do
  local sender, digest = tonumber(ARGV[i]), ARGV[i + 1]
  local record = records[sender]
  if not record then
    record = call('GET', KEYS[2 + sender]) or ''
    if sub(record, 1, start - 1) ~= epoch then record = '' end
    records[sender], added[sender] = record, ''
  end
  local before = known(record, digest) or known(added[sender], digest)
  if before then
    reply[#reply + 1] = duplicate(before)
  else
    top = top + 1
    events[#events + 1] = format('{"seq":%d,"mid":"%s.%d","ts":%s', top, token, top, ts) .. ARGV[i + 2]
    if added[sender] == '' then added[sender] = epoch end
    added[sender] = added[sender] .. digest .. struct.pack('>I6', top)
    reply[#reply + 1] = top
  end
end
if top == seq then return reply end

local length = call('RPUSH', KEYS[1], unpack(events))
-- Trimmed by an eighth at a time, and by age with every 64th event: cheap, and at least as much is kept as promised.
if length > kept + math.max(kept / 8, 50) then
  call('LTRIM', KEYS[1], -kept, -1)
elseif math.floor(top / 64) ~= math.floor(seq / 64) then
  local oldest = (seconds - age) * 1000
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    local event = call('LINDEX', KEYS[1], middle)
    if tonumber(string.match(event, '"ts":(%d+)')) < oldest then low = middle + 1 else high = middle end
  end
  if low > 0 then call('LTRIM', KEYS[1], low, -1) end
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

for sender, entries in pairs(added) do
  if entries ~= '' then
    local key, record = KEYS[2 + sender], records[sender]
    if record == '' then
      call('SET', key, entries, 'EX', 2 * window)
    else
      local size = call('APPEND', key, sub(entries, start))
      if size > 28 * ARGV[7] + start then
        call('SET', key, epoch .. sub(record .. sub(entries, start), -14 * ARGV[7]), 'EX', 2 * window)
      elseif call('TTL', key) < window then
        call('EXPIRE', key, 2 * window)
      end
    end
  end
end
call('PUBLISH', ARGV[1], format('%s %d %s %s\n', epoch, seq + 1, last, mid) .. table.concat(events, '\n'))
return reply
