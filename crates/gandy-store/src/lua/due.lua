-- What is due, for the one process of the fleet that promotes. Takes or renews that duty; another's is left alone.
-- An entry over the payload limit is buried here: it is never read (I12).
-- KEYS  promoter, retry, schedule, dead, reasons
-- ARGV  identity, duty in ms, entries of each set at most, bytes of each set at most, payload limit (bytes), why larger
--       ones are buried, entries kept in dead, seconds kept in dead, seconds to read each set for
-- reply {1 = on duty, time of Redis (us), when the next entry is due (us; -1 none), members and scores of retry,
--        members and scores of schedule, number buried, number that could not be}, or {0, ms until the duty is free}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return {0, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local dead, reasons = KEYS[4], KEYS[5]
local t = redis.call('TIME')
local now = t[1] .. '.' .. string.format('%06d', tonumber(t[2]))
local limit, patience = tonumber(ARGV[5]), tonumber(ARGV[9])
local soonest, buried, stuck = -1, 0, 0
local function read(set)
  local most, room = tonumber(ARGV[3]), tonumber(ARGV[4])
  local found, offset, step = {}, 0, 4
  local over = clock() + patience
  while most > 0 and room > 0 do
    local k = math.min(step, most)
    step = math.min(step * 4, 128)
    local page = redis.pcall('ZRANGE', set, '-inf', now, 'BYSCORE', 'LIMIT', offset, k, 'WITHSCORES')
    if page.err then return found end
    for i = 1, #page, 2 do
      if room <= 0 then break end
      most = most - 1
      if #page[i] <= limit then
        found[#found + 1], found[#found + 2] = page[i], page[i + 1]
        room = room - #page[i]
        offset = offset + 1
      elseif bury(dead, reasons, clock(), page[i], ARGV[6]) then
        stuck = stuck + 1
        offset = offset + 1
      else
        redis.call('ZREM', set, page[i])
        buried = buried + 1
      end
    end
    if #page / 2 < k then break end
    -- A hundred at least: the first may be such as cannot be moved, and what is due behind them would wait for ever.
    if #found >= 200 and clock() > over then break end
  end
  local ahead = redis.pcall('ZRANGE', set, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  if not ahead.err and ahead[2] then
    local score = tonumber(ahead[2])
    if soonest < 0 or score < soonest then soonest = score end
  end
  return found
end
local retry, schedule = read(KEYS[2]), read(KEYS[3])
if buried > 0 then trim(dead, reasons, clock(), ARGV[7], ARGV[8], buried) end
soonest = soonest < 0 and -1 or math.floor(soonest * 1000000)
return {1, tonumber(t[1]) * 1000000 + tonumber(t[2]), soonest, retry, schedule, buried, stuck}
