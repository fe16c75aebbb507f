-- Takes one amendment: an edit, deletion or reaction of a stored message, or a new topic. This stands in publish.lua at the
-- mark, for a call of one sender with one change: its cid is new, nothing is written yet, and the event that tells of
-- the amendment is stored, remembered and published by what follows.
--
-- ARGV  10 edit, delete, react or topic   11 seq of the message (topic: 0)   12 the user, as JSON
--       13 "1" if the user may amend what others wrote   14 edit: the text, react: the emoji, topic: the topic, as JSON
--       15 edit: mentions as a JSON array, if any; react: "1" to add, "" to take away
--       16 mid of the message, if its author knows it: a log that lost its tail, or all of it, uses its seqs again
--
-- Returns  epoch, ts, token and why not, where it is refused: unknown, deleted, foreign, full.
--
-- The truth is folded into the stored message in place: whoever reads the log reads what holds now, and what was replaced
-- is nowhere any more. The event of the edit before this one carried a text that holds no longer: it becomes
-- `superseded`, without a text; the message knows its seq (`edit`). An entry that grows beyond MOST_ENTRY bytes by that is
-- parted: every later amendment, and every look at one of its events, would copy it whole. The meta hash has the topic, and counts the events
-- that are no messages (`others`), so that unread messages can be counted by subtraction.
local MOST_EMOJI, MOST_USERS, MOST_BYTES, MOST_ENTRY = 20, 200, 16384, 32768
local kind, target, amended = ARGV[10], tonumber(ARGV[11]), {}

local function refuse(why) return {epoch, ts, token, why} end

-- The event of this seq: its body, and a function that puts another in its place. Nothing if it is not kept, or if it
-- is another than the one of this mid, where one is given.
local function stored(number, mid)
  local index = number > 0 and number <= seq and locate(number) or -1
  if index < 0 then return end
  local first, count, at, name = head(index)
  if number >= first + count then return end
  if mid ~= '' and format('%s.%d', name, number) ~= mid then return end
  local whole = index == latest_index and latest or call('LINDEX', KEYS[1], index)
  local begin = find(whole, '\n', 1, true)
  local from = begin
  for _ = 1, number - first do from = find(whole, '\n', from + 1, true) end
  local to = find(whole, '\n', from + 1, true) or #whole + 1
  -- An entry of its own for others of its events. A user of Redis from before that was done may not insert.
  local function beside(where, start, events, bodies)
    if events == 0 then return true end
    local other = format('%d %d %.0f %s\n', start, events, at, name) .. bodies
    return type(redis.pcall('LINSERT', KEYS[1], where, whole, other)) == 'number'
  end
  return sub(whole, from + 1, to - 1), function(body)
    amended[#amended + 1] = format('\n%d %s', number, body)
    if count > 1 and from + #body + #whole - to > MOST_ENTRY
      and beside('AFTER', number + 1, first + count - 1 - number, sub(whole, to + 1))
      and beside('BEFORE', first, number - first, sub(whole, begin + 1, from - 1)) then
      heads, latest_index = {}, nil
      if number > first then index = index + 1 end
      call('LSET', KEYS[1], index, format('%d 1 %.0f %s\n', number, at, name) .. body)
    else
      call('LSET', KEYS[1], index, sub(whole, 1, from) .. body .. sub(whole, to))
    end
  end
end

-- A message in three parts: what comes before its text, the text as JSON, and what was folded into it.
local function parts(body)
  local at = find(body, ',"text":"', 1, true)
  local stop = find(body, '["\\]', at + 9)
  while sub(body, stop, stop) == '\\' do stop = find(body, '["\\]', stop + 2) end
  local more = sub(body, stop + 1, stop + 1) == ',' and cjson.decode('{' .. sub(body, stop + 2)) or {}
  return sub(body, 1, at + 7), sub(body, at + 8, stop), more
end

local function joined(front, text, more)
  local body = front .. text
  if more.edited then body = body .. format(',"edited":%d,"edit":%d', more.edited, more.edit) end
  if more.mentions then body = body .. ',"mentions":' .. cjson.encode(more.mentions) end
  if more.reactions and #more.reactions > 0 then body = body .. ',"reactions":' .. cjson.encode(more.reactions) end
  return body .. '}'
end

-- Adds a user to those of an emoji, or takes one away. False if there is no room for more.
local function react(more, emoji, user, on)
  local reactions = more.reactions or {}
  more.reactions = reactions
  for i, reaction in ipairs(reactions) do
    if reaction.emoji == emoji then
      for n, other in ipairs(reaction.users) do
        if other == user then
          if on then return true end
          table.remove(reaction.users, n)
          if #reaction.users == 0 then table.remove(reactions, i) end
          return true
        end
      end
      if not on then return true end
      reaction.users[#reaction.users + 1] = user
      return #reaction.users <= MOST_USERS
    end
  end
  if on then reactions[#reactions + 1] = {emoji = emoji, users = {user}} end
  return #reactions <= MOST_EMOJI
end

if kind == 'topic' then
  if ARGV[14] == '""' then
    call('HDEL', KEYS[2], 'topic')
  else
    call('HSET', KEYS[2], 'topic', ARGV[14])
  end
  amended[1] = '\n0 ' .. ARGV[14]
else
  local body, put = stored(target, ARGV[16])
  if not body or sub(body, 1, 17) ~= ',"type":"message"' then return refuse('unknown') end
  local front, text, more = parts(body)
  if more.deleted then return refuse('deleted') end
  if kind == 'react' then
    local user, emoji = unpack(cjson.decode('[' .. ARGV[12] .. ',' .. ARGV[14] .. ']'))
    if not react(more, emoji, user, ARGV[15] == '1') then return refuse('full') end
    body = joined(front, text, more)
    if ARGV[15] == '1' and #body > #front + #text + MOST_BYTES then return refuse('full') end
    put(body)
  else
    local own = find(front, ',"user":' .. ARGV[12] .. ',"name":', 1, true)
    if not own and ARGV[13] ~= '1' then return refuse('foreign') end
    local before, replace
    if more.edit then before, replace = stored(more.edit, '') end
    if before and sub(before, 1, 16) == ',"type":"edited"' then
      replace(',"type":"superseded"' .. sub(before, 17, find(before, ',"text":"', 1, true) - 1) .. '}')
    end
    if kind == 'delete' then
      put(front .. '"","deleted":true}')
    else
      more.edited, more.edit = tonumber(ts), top
      more.mentions = ARGV[15] ~= '' and cjson.decode(ARGV[15]) or nil
      put(joined(front, ARGV[14], more))
    end
  end
end
call('HINCRBY', KEYS[2], 'others', 1)
changed, changes = #amended, table.concat(amended)
