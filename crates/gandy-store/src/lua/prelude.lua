#!lua flags=allow-oom
-- What the scripts share that bury jobs. Put before their text when the library is built.
local function clock()
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1000000
end

local function score(seconds)
  return string.format('%.6f', seconds)
end

-- The error of a pcall, or nil.
local function failure(reply)
  return type(reply) == 'table' and reply.err or nil
end

-- Leaves an outcome behind for whoever waits for a job; a job is not held up by it.
local function tell(key, now, members, seconds)
  redis.pcall('SET', key, string.format('{"at":%.0f,%s}', now * 1000, members), 'EX', seconds)
end

-- Adds to dead; the reason is kept beside it by the payload's digest. Returns the error, or nil.
local function bury(dead, reasons, now, payload, reason)
  local err = failure(redis.pcall('ZADD', dead, score(now), payload))
  if not err and reason ~= '' then redis.pcall('HSET', reasons, redis.sha1hex(payload), reason) end
  return err
end

-- Takes entries out of dead, and with each the reason kept for it.
local function drop(dead, reasons, members)
  if #members == 0 then return end
  redis.call('ZREM', dead, unpack(members))
  if redis.pcall('HLEN', reasons) == 0 then return end
  for _, member in ipairs(members) do redis.pcall('HDEL', reasons, redis.sha1hex(member)) end
end

-- By hand: of a dead that is above its limit as many of the oldest go as were added, and none for its age. Who buries one
-- job has not asked for others to be deleted, and the fleet may keep more than the one who buries knows of.
local function make_room(dead, reasons, most, added)
  local excess = math.min(redis.call('ZCARD', dead) - (tonumber(most) - 1), added)
  if excess > 0 then drop(dead, reasons, redis.call('ZRANGE', dead, 0, excess - 1)) end
end

-- Sidekiq's trim of dead by age and by rank, its off-by-one included (10,000 keeps 9,999), and with each entry the
-- reason kept for it. `entries` is how many were buried at most; a little more is removed, so that a set which grew too
-- large shrinks, but never without bound (I6).
local function trim(dead, reasons, now, most, seconds, entries)
  local page = math.min(math.max(100, 2 * entries), 1000)
  local before = '(' .. score(now - tonumber(seconds))
  drop(dead, reasons, redis.call('ZRANGE', dead, '-inf', before, 'BYSCORE', 'LIMIT', 0, page))
  local excess = redis.call('ZCARD', dead) - (tonumber(most) - 1)
  if excess > 0 then drop(dead, reasons, redis.call('ZRANGE', dead, 0, math.min(excess, page) - 1)) end
end

