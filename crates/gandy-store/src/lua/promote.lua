-- Moves due entries to their queues, each only if member and score are still what was read and the time has come.
--
-- Entries are taken a hundred at a time: when they are still the first of the set, as they are unless somebody else moves
-- them too, one look, one LPUSH for each queue and one ZREM do for all of them. After each hundred the time that passed is
-- looked at; what is left of the page when it is used up stays where it is.
-- KEYS  the sorted set, queues, dead, reasons, then the queues
-- ARGV  entries kept in dead, seconds kept in dead, seconds to work for, number of queues, their names, then for each
--       entry: member, score, index of its queue (0: it cannot be promoted, bury it), the payload to push (or why it is
--       buried)
-- reply for each entry that was looked at: 1 pushed, 2 buried, 0 no longer there, -1 could not be written
local set, dead, reasons = KEYS[1], KEYS[3], KEYS[4]
local now = clock()
local queues = tonumber(ARGV[4])
-- How many were buried, and how many due ones before the next hundred are still in the set.
local reply, buried, stuck, moved = {}, 0, 0, false
if queues > 0 then redis.pcall('SADD', KEYS[2], unpack(ARGV, 5, 4 + queues)) end

local function move(i)
  local member, read, queue, payload = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local held = redis.call('ZSCORE', set, member)
  local outcome = 0
  if held and held == read and tonumber(held) <= now then
    local reason = payload
    if queue > 0 then
      local err = failure(redis.pcall('LPUSH', KEYS[4 + queue], payload))
      if err then reason = 'could not be promoted: ' .. err else outcome = 1 end
    end
    if outcome == 0 then
      -- Buried, so that a page of such entries does not stop everything behind it.
      outcome = bury(dead, reasons, now, member, reason) and -1 or 2
      if outcome == 2 then buried = buried + 1 else stuck = stuck + 1 end
    end
    if outcome > 0 then redis.call('ZREM', set, member) end
  end
  return outcome
end

-- The members of these entries and, queue by queue, their payloads; nil when one is to be buried, or when they are not
-- the first that are due. (More of the same score: then these are not all of it, but still the first.)
local function first(from, to)
  local count = (to - from + 1) / 4
  local held = redis.call('ZRANGE', set, '-inf', score(now), 'BYSCORE', 'LIMIT', stuck, count, 'WITHSCORES')
  local members, order, payloads = {}, {}, {}
  for i = from, to, 4 do
    local at, queue = (i - from) / 2 + 1, ARGV[i + 2]
    if held[at] ~= ARGV[i] or held[at + 1] ~= ARGV[i + 1] or queue == '0' then return nil end
    members[(i - from) / 4 + 1] = ARGV[i]
    local own = payloads[queue]
    if not own then
      own = {}
      payloads[queue] = own
      order[#order + 1] = queue
    end
    own[#own + 1] = ARGV[i + 3]
  end
  return members, order, payloads
end

local function move_all(from, to)
  local members, order, payloads = first(from, to)
  local pushed = {}
  for _, queue in ipairs(order or {}) do
    pushed[queue] = not failure(redis.pcall('LPUSH', KEYS[4 + tonumber(queue)], unpack(payloads[queue])))
    if not pushed[queue] then members = nil end
  end
  if members then redis.call('ZREM', set, unpack(members)) end
  for i = from, to, 4 do
    local outcome = 1
    if not pushed[ARGV[i + 2]] then
      outcome = move(i)
    elseif not members then
      redis.call('ZREM', set, ARGV[i])
    end
    reply[#reply + 1] = outcome
    moved = moved or outcome > 0
  end
end

local over = now + tonumber(ARGV[3])
for from = 5 + queues, #ARGV, 400 do
  move_all(from, math.min(from + 399, #ARGV))
  -- Burying is ten times as dear, and trimming comes to it. Not before something was moved: the next page begins with
  -- what could not be, and would never come further.
  if moved and (buried > 100 or clock() > over) then break end
end
if buried > 0 then trim(dead, reasons, now, ARGV[1], ARGV[2], buried) end
return reply
