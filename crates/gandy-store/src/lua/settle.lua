-- Ends runs otherwise than by success: into retry, schedule or dead, or away.
--
-- KEYS  in-flight hash, retry, schedule, dead, reasons
-- ARGV  entries kept in dead, seconds kept in dead, then for each job: token, where to, delay in ms, payload, reason
--       where to: retry | schedule | dead | drop | raw (the payload in flight goes to dead as it is, unread)
-- reply for each job: 1 done, 0 the entry was no longer held (fenced, or done before), -1 could not be written
local inflight, dead, reasons = KEYS[1], KEYS[4], KEYS[5]
local sets = {retry = KEYS[2], schedule = KEYS[3]}
local now = clock()
local reply, buried = {}, false
for i = 3, #ARGV, 5 do
  local token, where, delay, payload, reason = unpack(ARGV, i, i + 4)
  local outcome = 0
  if redis.call('HEXISTS', inflight, token) == 1 then  -- I3: the fence
    local err
    if sets[where] then
      err = failure(redis.pcall('ZADD', sets[where], score(now + tonumber(delay) / 1000), payload))
    elseif where ~= 'drop' then
      if where == 'raw' then payload = redis.call('HGET', inflight, token) end
      err = bury(dead, reasons, now, payload, reason)
      buried = buried or not err
    end
    if err then
      outcome = -1
    else
      outcome = 1
      redis.call('HDEL', inflight, token)
    end
  end
  reply[#reply + 1] = outcome
end
if buried then trim(dead, reasons, now, ARGV[1], ARGV[2], (#ARGV - 2) / 5) end
return reply
