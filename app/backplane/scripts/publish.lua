-- Stores and publishes the changes that one worker collected for one room.
--
-- KEYS  log, meta, cids0, cids1
-- ARGV  1 channel   2 events kept   3 seconds kept   4 token for mids   5 epoch for a new room
--       6 seconds of the dedupe window   7 cids kept per sender
--       8... triples: sender, cid, body (JSON without its head, beginning with a comma)
--
-- Returns  epoch, ts, mid token, then per change, in the order given: its seq if it was stored now (its mid is
--          token.seq), or "seq mid ts" if its cid was there already (mid and ts are empty and 0 if it is no longer kept).
--
-- A script that fails half-way is not rolled back, so events are written before the records that would make a retry
-- look like a duplicate.
local now = redis.call('TIME')
local seconds = tonumber(now[1])
local ts = string.format('%d%03d', seconds, math.floor(now[2] / 1000))
local kept, age, window, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[7])

local meta = redis.call('HMGET', KEYS[2], 'epoch', 'seq', 'mid', 'renewed')
local epoch, seq, last, renewed = meta[1], tonumber(meta[2]), meta[3], tonumber(meta[4])
if not epoch or not seq then
  epoch, seq, last, renewed = ARGV[5], 0, '', 0
  redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
end

-- Two buckets take turns, by Redis' clock: one that is two windows old has expired when its turn comes again.
local turn = math.floor(seconds / window)
local current, previous = KEYS[3 + turn % 2], KEYS[3 + (turn + 1) % 2]
local records, changed = {}, {}

local function find(record, cid)
  if not record then return nil end
  local _, stop = string.find(record, ';' .. cid .. '=', 1, true)
  return stop and string.match(record, '^%d+', stop + 1)
end

-- A record is a count and ";cid=seq" for each, oldest first.
local function remember(record, cid, number)
  local count = record and tonumber(string.match(record, '^%d+')) or 0
  local entries = record and string.match(record, '^%d+(.*)$') or ''
  if count >= most then
    entries = string.sub(entries, (string.find(entries, ';', 2, true)))
  else
    count = count + 1
  end
  return count .. entries .. ';' .. cid .. '=' .. number
end

local function stored(number)
  if number > seq then return string.format('%d %s.%d %s', number, ARGV[4], number, ts) end
  local event = redis.call('LINDEX', KEYS[1], number - seq - 1)
  local mid, at = '', 0
  if event then mid, at = string.match(event, '^{"seq":%d+,"mid":"([^"]*)","ts":(%d+)') end
  return string.format('%d %s %s', number, mid, at)
end

local reply, events, first = {epoch, ts, ARGV[4]}, {}, seq + 1
local nextseq = seq
for i = 8, #ARGV, 3 do
  local sender, cid = ARGV[i], ARGV[i + 1]
  local record = records[sender]
  if not record then
    record = {redis.call('HGET', current, sender), redis.call('HGET', previous, sender)}
    records[sender] = record
  end
  local known = find(record[1], cid) or find(record[2], cid)
  if known then
    reply[#reply + 1] = stored(tonumber(known))
  else
    nextseq = nextseq + 1
    events[#events + 1] = string.format('{"seq":%d,"mid":"%s.%d","ts":%s', nextseq, ARGV[4], nextseq, ts) .. ARGV[i + 2]
    record[1] = remember(record[1], cid, nextseq)
    changed[sender] = true
    reply[#reply + 1] = nextseq
  end
end
if #events == 0 then return reply end

local length = redis.call('RPUSH', KEYS[1], unpack(events))
-- Trimmed by an eighth at a time, and by age with every 64th event: cheap, and at least as much is kept as promised.
if length > kept + math.max(kept / 8, 50) then
  redis.call('LTRIM', KEYS[1], -kept, -1)
elseif math.floor(nextseq / 64) ~= math.floor(seq / 64) then
  local oldest = (seconds - age) * 1000
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    local event = redis.call('LINDEX', KEYS[1], middle)
    if tonumber(string.match(event, '"ts":(%d+)')) < oldest then low = middle + 1 else high = middle end
  end
  if low > 0 then redis.call('LTRIM', KEYS[1], low, -1) end
end

local mid = string.format('%s.%d', ARGV[4], nextseq)
redis.call('HSET', KEYS[2], 'epoch', epoch, 'seq', string.format('%d', nextseq), 'mid', mid)
-- The numbers outlive the events by a day, so that a position in a room fallen silent can still be judged.
if seconds - renewed > math.min(age / 8, 3600) then
  redis.call('HSET', KEYS[2], 'renewed', seconds)
  redis.call('EXPIRE', KEYS[1], math.floor(age * 1.25))
  redis.call('EXPIRE', KEYS[2], math.floor(age * 1.25) + 86400)
end
local added = 0
for sender, _ in pairs(changed) do
  added = added + redis.call('HSET', current, sender, records[sender][1])
end
if added > 0 then redis.call('EXPIREAT', current, (turn + 2) * window) end
redis.call('PUBLISH', ARGV[1], string.format('%s %d %s %s\n', epoch, first, last, mid) .. table.concat(events, '\n'))
return reply
