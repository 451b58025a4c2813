-- Entries of one place move by hand, or go: some hundreds in one step, each only if it is still what was read.
--
-- A list has no index by value, so the part in which the entries were read is read again, taken entries are marked, and
-- one LREM takes all marks out. One LREM for each entry would walk the list each time: 500 entries behind 100,000 others
-- took Redis half a second. (That one walk is what a deep entry costs: 70 ns for each job between it and the nearer end,
-- 17 ms in the middle of a queue of a million. Nothing else takes an entry out of a list and keeps the order.)
-- KEYS  where they are, queues, dead, reasons, then the target queues, then the outcomes that are to be left behind
-- ARGV  type of where they are (list | zset), where to (queue | dead | none), entries kept in dead,
--       of a list: first and last index of that part (from its end, negative) and a mark that no entry is, number of
--       queues, their names, number of outcomes, the seconds for which they are kept, for each of them the number of its
--       entry and its members, then for each entry: its bytes, its score (of a list nothing), index of its queue (0: none),
--       the payload to push
-- reply for each entry: 1 done, 0 no longer there, -1 could not be written
local from, dead, reasons = KEYS[1], KEYS[3], KEYS[4]
local kind, where, mark = ARGV[1], ARGV[2], ARGV[6]
local queues = tonumber(ARGV[7])
local notices = tonumber(ARGV[8 + queues])
local begin = 10 + queues + 2 * notices
local now = clock()
local reply, place, nearer = {}, {}, -1
local had  -- entries of dead, before anything is buried

if kind == 'zset' then
  for i = begin, #ARGV, 4 do
    local held = redis.call('ZSCORE', from, ARGV[i])
    reply[#reply + 1] = held and tonumber(held) == tonumber(ARGV[i + 1]) and 1 or 0
  end
else
  local first = tonumber(ARGV[4])
  local part = redis.call('LRANGE', from, first, ARGV[5])
  -- A list shorter than the part gives what it has, and its indexes begin elsewhere.
  local length = redis.call('LLEN', from)
  first = math.max(first, -length)
  if -first > length / 2 then nearer = 1 end  -- LREM comes from the end that is nearer
  local at = {}
  for i, bytes in ipairs(part) do
    local own = at[bytes]
    if not own then
      own = {}
      at[bytes] = own
    end
    own[#own + 1] = first + i - 1
  end
  for i = begin, #ARGV, 4 do
    local own = at[ARGV[i]]
    local n = #reply + 1
    place[n] = own and table.remove(own) or nil
    reply[n] = place[n] and 1 or 0
  end
end

-- I2: what keeps comes before what removes.
if where == 'queue' then
  local order, payloads = {}, {}
  for n = 1, #reply do
    if reply[n] == 1 then
      local queue = tonumber(ARGV[begin + 4 * n - 2])
      if not payloads[queue] then
        payloads[queue] = {}
        order[#order + 1] = queue
      end
      table.insert(payloads[queue], ARGV[begin + 4 * n - 1])
    end
  end
  local refused = {}
  for _, queue in ipairs(order) do
    redis.pcall('SADD', KEYS[2], ARGV[7 + queue])
    refused[queue] = failure(redis.pcall('LPUSH', KEYS[4 + queue], unpack(payloads[queue])))
  end
  for n = 1, #reply do
    if reply[n] == 1 and refused[tonumber(ARGV[begin + 4 * n - 2])] then reply[n] = -1 end
  end
elseif where == 'dead' and from ~= dead then
  had = redis.pcall('ZCARD', dead)
  for n = 1, #reply do
    if reply[n] == 1 and bury(dead, reasons, now, ARGV[begin + 4 * n - 4], '') then reply[n] = -1 end
  end
end

if not (where == 'dead' and from == dead) then
  for k = 1, notices do
    local at = 8 + queues + 2 * k
    if reply[tonumber(ARGV[at])] == 1 then tell(KEYS[4 + queues + k], now, ARGV[at + 1], ARGV[9 + queues]) end
  end
end

local gone, marked = {}, 0
for n = 1, #reply do
  if reply[n] == 1 and not (where == 'dead' and from == dead) then
    if kind == 'zset' then
      gone[#gone + 1] = ARGV[begin + 4 * n - 4]
    else
      redis.call('LSET', from, place[n], mark)
      marked = marked + 1
    end
  end
end
if marked > 0 then redis.call('LREM', from, nearer * marked, mark) end
if #gone > 0 then
  redis.call('ZREM', from, unpack(gone))
  if from == dead and redis.pcall('HLEN', reasons) ~= 0 then
    for _, bytes in ipairs(gone) do redis.pcall('HDEL', reasons, redis.sha1hex(bytes)) end
  end
end
if had and not failure(had) then make_room(dead, reasons, ARGV[3], redis.call('ZCARD', dead) - had) end
return reply
