-- Finds entries of a room's log, KEYS[1]; stands in publish.lua and read.lua at the mark. For the log see publish.lua.
--
-- Whatever is looked at comes into Lua as a copy of the whole entry: each is looked at once in a call, and a seq is
-- first looked for where it is if entries have as many events each. `seq`, of the last event, is known where this stands.
local heads, latest, latest_index = {}, nil, nil

-- What the entry at an index begins with: first seq, count, time in milliseconds, token.
local function head(index)
  if not heads[index] then
    latest, latest_index = redis.call('LINDEX', KEYS[1], index), index
    local first, count, at, token = string.match(latest, '^(%d+) (%d+) (%d+) ([^\n]+)')
    if not first then error('not an entry of a log') end
    heads[index] = {tonumber(first), tonumber(count), tonumber(at), token}
  end
  return unpack(heads[index])
end

-- The index of the entry that has the event of a seq, if any has; -1 if all that are kept are later.
local function locate(number)
  local low, high = 0, redis.call('LLEN', KEYS[1])
  if high == 0 then return -1 end
  local from, count = head(low)
  if number < from then return -1 end
  -- The entry at `low` begins at `from`, which is no later; that at `high` at `above`, which is later.
  local above, guesses = seq + 1, 4
  while high - low > 1 and number >= from + count do
    local middle = math.floor((low + high) / 2)
    if guesses > 0 then
      guesses = guesses - 1
      middle = low + math.floor((number - from) / (above - from) * (high - low))
      middle = math.max(low + 1, math.min(high - 1, middle))
    end
    local first, events = head(middle)
    if first > number then
      high, above = middle, first
    else
      low, from, count = middle, first, events
    end
  end
  return low
end
