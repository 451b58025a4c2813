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

-- Sidekiq's trim of dead by age and by rank, its off-by-one included (10,000 keeps 9,999), and with each entry the
-- reason kept for it. `entries` is how many were buried at most; a little more is removed, so that a set which grew too
-- large shrinks, but never without bound (I6).
local function trim(dead, reasons, now, most, seconds, entries)
  local page = math.min(math.max(100, 2 * entries), 1000)
  local annotated = redis.pcall('HLEN', reasons)
  local function drop(members)
    if #members == 0 then return end
    redis.call('ZREM', dead, unpack(members))
    if annotated ~= 0 then
      for _, member in ipairs(members) do redis.pcall('HDEL', reasons, redis.sha1hex(member)) end
    end
  end
  drop(redis.call('ZRANGE', dead, '-inf', '(' .. score(now - tonumber(seconds)), 'BYSCORE', 'LIMIT', 0, page))
  local excess = redis.call('ZCARD', dead) - (tonumber(most) - 1)
  if excess > 0 then drop(redis.call('ZRANGE', dead, 0, math.min(excess, page) - 1)) end
end

