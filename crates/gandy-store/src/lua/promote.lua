-- Moves due entries to their queues, each only if member and score are still what was read and the time has come.
--
-- KEYS  the sorted set, queues, dead, reasons, then the queues
-- ARGV  entries kept in dead, seconds kept in dead, number of queues, their names, then for each entry: member,
--       score, index of its queue (0: it cannot be promoted, bury it), the payload to push (or why it is buried)
-- reply for each entry: 1 pushed, 2 buried, 0 no longer there, -1 could not be written
local set, dead, reasons = KEYS[1], KEYS[3], KEYS[4]
local now = clock()
local queues = tonumber(ARGV[3])
local reply, buried = {}, false
if queues > 0 then redis.pcall('SADD', KEYS[2], unpack(ARGV, 4, 3 + queues)) end
for i = 4 + queues, #ARGV, 4 do
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
      buried = buried or outcome == 2
    end
    if outcome > 0 then redis.call('ZREM', set, member) end
  end
  reply[#reply + 1] = outcome
end
if buried then trim(dead, reasons, now, ARGV[1], ARGV[2], (#ARGV - 3 - queues) / 4) end
return reply
