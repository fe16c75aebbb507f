-- Reads what a list of rooms says of one room.
--
-- KEYS  meta, then the room's rosters on the workers that live, see roster.lua
-- ARGV  1 most people to be told apart; beyond, somebody on two workers counts twice
--
-- Returns  seq of the last event, or nil if there is no such room; topic as JSON, or nil; how many people are there;
--          epoch; how many events are no messages.
local call = redis.call
local meta = call('HMGET', KEYS[1], 'seq', 'topic', 'epoch', 'others')
local total, rosters = 0, {}
for i = 2, #KEYS do
  local people = call('HLEN', KEYS[i]) - 1
  if people > 0 then
    total = total + people
    rosters[#rosters + 1] = KEYS[i]
  end
end
if #rosters > 1 and total <= tonumber(ARGV[1]) then
  local seen = {}
  total = -1
  for _, key in ipairs(rosters) do
    for _, user in ipairs(call('HKEYS', key)) do
      if not seen[user] then
        seen[user] = true
        total = total + 1
      end
    end
  end
end
return {tonumber(meta[1]) or false, meta[2], total, meta[3], tonumber(meta[4] or 0)}
