#!lua flags=allow-oom
-- What is due, for the one process of the fleet that promotes. Takes or renews that duty; another's is left alone.
-- KEYS  promoter, retry, schedule      ARGV  identity, duty in ms, entries at most, bytes at most
-- reply {1 = on duty, time of Redis (us), when the next entry is due (us; -1 none), members and scores of retry,
--        members and scores of schedule}, or {0, ms until the duty is free}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return {0, redis.call('PTTL', KEYS[1])} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local t = redis.call('TIME')
local now = t[1] .. '.' .. string.format('%06d', tonumber(t[2]))
local most, room = tonumber(ARGV[3]), tonumber(ARGV[4])
local soonest = -1
local function read(set)
  local found, offset, step = {}, 0, 4
  while most > 0 and room > 0 do
    local k = math.min(step, most)
    step = step * 4
    local page = redis.pcall('ZRANGE', set, '-inf', now, 'BYSCORE', 'LIMIT', offset, k, 'WITHSCORES')
    if page.err then return found end
    for i = 1, #page do
      found[#found + 1] = page[i]
      room = room - #page[i]
    end
    local got = #page / 2
    offset, most = offset + got, most - got
    if got < k then break end
  end
  local ahead = redis.pcall('ZRANGE', set, '(' .. now, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
  if not ahead.err and ahead[2] then
    local score = tonumber(ahead[2])
    if soonest < 0 or score < soonest then soonest = score end
  end
  return found
end
local retry, schedule = read(KEYS[2]), read(KEYS[3])
return {1, tonumber(t[1]) * 1000000 + tonumber(t[2]), soonest < 0 and -1 or math.floor(soonest * 1000000), retry, schedule}
