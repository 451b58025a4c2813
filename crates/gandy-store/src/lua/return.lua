-- Gives jobs in flight back, byte for byte: the reaper for a dead process, a process at its shutdown, or a live one
-- whose claims cannot start.
--
-- KEYS  the hash that must hold the identity (dying, or fleet for a live process), in-flight hash, schedule, dead,
--       reasons, then for each job: its queue, its recovery set, its outcome
-- ARGV  identity, entries kept in dead, seconds kept in dead, seconds a recovery is remembered, members of the outcome
--       of who is buried, the seconds for which it is kept, then for each job: token, where to (queue | schedule | dead),
--       delay in ms, reason, charge (1: this death counts for the job), waiter (1: somebody wants the outcome)
-- reply {1 = the guard holds, else 0, then for each job: 1 done, 0 the entry was gone, -1 could not be written}
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {0} end  -- I8: death is looked at again
local inflight, schedule, dead, reasons = KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now = clock()
local reply, buried = {1}, false
local key = 6
for i = 7, #ARGV, 6 do
  local token, where, delay, reason, charge, waiter = unpack(ARGV, i, i + 5)
  local queue, recovered, told = KEYS[key], KEYS[key + 1], KEYS[key + 2]
  key = key + 3
  local outcome = 0
  local payload = redis.call('HGET', inflight, token)
  if payload then
    local err
    if where == 'queue' then
      err = failure(redis.pcall('RPUSH', queue, payload))
    elseif where == 'schedule' then
      err = failure(redis.pcall('ZADD', schedule, score(now + tonumber(delay) / 1000), payload))
    end
    if where == 'dead' or err then
      -- A queue key of another type must not hold the jobs of a whole process in flight for ever.
      if err then reason = 'could not be given back: ' .. err end
      err = bury(dead, reasons, now, payload, reason)
      buried = buried or not err
      if not err and waiter == '1' then tell(told, now, ARGV[5], ARGV[6]) end
    end
    if err then
      outcome = -1
    else
      outcome = 1
      if charge == '1' then
        redis.pcall('SADD', recovered, ARGV[1])
        redis.pcall('EXPIRE', recovered, ARGV[4])
      end
      redis.call('HDEL', inflight, token)
    end
  end
  reply[#reply + 1] = outcome
end
if buried then trim(dead, reasons, now, ARGV[2], ARGV[3], (#ARGV - 6) / 6) end
return reply
