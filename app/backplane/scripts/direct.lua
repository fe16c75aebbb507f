-- Notes a direct room among a user's, and tells the user's connections.
--
-- KEYS  1 direct rooms of the user   2 read marks of the user, see mark.lua
-- ARGV  1 room   2 with whom, as JSON; empty: as it is noted already, if it is   3 seconds kept
--       4 most rooms that are the user's own: it has opened them, written or read there   5 most others
--       6 channel of the user   7 what to tell there if this is the room's first message for the user
--       8 what to tell of every message; both are empty if it is the user that does something
--
-- Returns  1 if the user had no message there before. A value is the time of the last message for the user, 0 if there
-- was none, then + and when the user last did something there, if it ever did, then with whom.
local function parts(value) return string.match(value, '^(%d+)%+?(%d*) (.*)$') end
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held and ARGV[2] == '' then return 0 end
local at, own, whom = '0', '', ARGV[2]
if held then
  local before
  at, own, before = parts(held)
  if whom == '' then whom = before end
end
local new = at == '0'
local now = redis.call('TIME')[1]
if ARGV[8] ~= '' then at = now else own = now end
redis.call('HSET', KEYS[1], ARGV[1], at .. (own == '' and '' or '+' .. own) .. ' ' .. whom)
redis.call('EXPIRE', KEYS[1], ARGV[3])
if not held and redis.call('HLEN', KEYS[1]) > math.min(tonumber(ARGV[4]), tonumber(ARGV[5])) then
  -- Of each kind those go in which nothing has happened for longest; strangers never displace what is the user's own.
  local all, rooms, kinds = redis.call('HGETALL', KEYS[1]), {}, {{}, {}}
  for i = 1, #all, 2 do rooms[#rooms + 1] = all[i] end
  local marks = redis.call('HMGET', KEYS[2], unpack(rooms))
  for i, room in ipairs(rooms) do
    local said, done = parts(all[2 * i])
    local kind = (done ~= '' or marks[i]) and 1 or 2
    -- Times are in seconds: of several in one, the new room stays.
    local last = math.max(tonumber(said), tonumber(done) or 0) + (room == ARGV[1] and 1 or 0)
    table.insert(kinds[kind], {last, room})
  end
  for kind, known in ipairs(kinds) do
    table.sort(known, function(a, b) return a[1] < b[1] end)
    for i = 1, #known - tonumber(ARGV[3 + kind]) do redis.call('HDEL', KEYS[1], known[i][2]) end
  end
end
if ARGV[8] ~= '' then
  if new then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
  redis.call('PUBLISH', ARGV[6], ARGV[8])
end
return new and 1 or 0
