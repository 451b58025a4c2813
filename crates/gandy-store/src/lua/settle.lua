-- Ends runs otherwise than by success: into retry, schedule or dead, or away.
--
-- KEYS  in-flight hash, retry, schedule, dead, reasons, then the outcomes that are to be left behind
-- ARGV  entries kept in dead, seconds kept in dead, seconds an outcome is kept, then for each outcome: which job it is
--       of (1 is the first), its members; then for each job: token, where to, delay in ms, payload, reason
--       where to: retry | schedule | dead | drop | raw (the payload in flight goes to dead as it is, unread)
-- reply for each job: 1 done, 0 the entry was no longer held (fenced, or done before), -1 could not be written
local inflight, dead, reasons = KEYS[1], KEYS[4], KEYS[5]
local sets = {retry = {key = KEYS[2]}, schedule = {key = KEYS[3]}}
local now = clock()
local reply, gone, buried = {}, {}, false
local first = 4 + 2 * (#KEYS - 5)
-- Entries of one set are added by one command, and all that left by one: Redis is what limits failing jobs.
for i = first, #ARGV, 5 do
  local token, where = ARGV[i], ARGV[i + 1]
  local outcome = 0
  if redis.call('HEXISTS', inflight, token) == 1 then  -- I3: the fence
    outcome = 1
    local set = sets[where]
    if set then
      set[#set + 1] = score(now + tonumber(ARGV[i + 2]) / 1000)
      set[#set + 1] = ARGV[i + 3]
    elseif where ~= 'drop' then
      local payload = ARGV[i + 3]
      if where == 'raw' then payload = redis.call('HGET', inflight, token) end
      if bury(dead, reasons, now, payload, ARGV[i + 4]) then outcome = -1 else buried = true end
    end
  end
  reply[#reply + 1] = outcome
end
for _, set in pairs(sets) do
  if #set > 0 then set.err = failure(redis.pcall('ZADD', set.key, unpack(set))) end
end
-- I2: what keeps came before; now what removes.
for i = first, #ARGV, 5 do
  local at = (i - first) / 5 + 1
  local set = sets[ARGV[i + 1]]
  if reply[at] == 1 then
    if set and set.err then reply[at] = -1 else gone[#gone + 1] = ARGV[i] end
  end
end
-- Whoever waits learns it in this very step: a crash after it cannot come between.
for k = 6, #KEYS do
  local i = 4 + 2 * (k - 6)
  if reply[tonumber(ARGV[i])] == 1 then
    tell(KEYS[k], now, ARGV[i + 1], ARGV[3])
  end
end
if #gone > 0 then redis.call('HDEL', inflight, unpack(gone)) end
if buried then trim(dead, reasons, now, ARGV[1], ARGV[2], #reply) end
return reply
