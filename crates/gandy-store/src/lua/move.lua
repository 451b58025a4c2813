-- One entry moves by hand (delete, retry now, bury), found by its exact bytes; nothing happens when it is gone.
--
-- KEYS  where it is, queues, dead, reasons, the target queue, then perhaps the outcome that is to be left behind
-- ARGV  type of where it is (list | zset), its bytes, where to (queue | dead | none), the bytes to write, the target
--       queue's name, entries kept in dead, then perhaps the outcome's members and the seconds for which it is kept
-- reply 1 moved, 0 not there
local from, dead, reasons = KEYS[1], KEYS[3], KEYS[4]
local kind, bytes, where, write = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not redis.call(kind == 'zset' and 'ZSCORE' or 'LPOS', from, bytes) then return 0 end
if where == 'dead' and from == dead then return 1 end  -- it is there already
if where == 'queue' then
  redis.call('SADD', KEYS[2], ARGV[5])
  redis.call('LPUSH', KEYS[5], write)
elseif where == 'dead' then
  local now, held = clock(), redis.pcall('ZCARD', dead)
  local err = bury(dead, reasons, now, write, '')
  if err then return redis.error_reply(err) end
  make_room(dead, reasons, ARGV[6], redis.call('ZCARD', dead) - held)
end
if KEYS[6] then tell(KEYS[6], clock(), ARGV[7], ARGV[8]) end
if kind == 'zset' then
  redis.call('ZREM', from, bytes)
  if from == dead then redis.pcall('HDEL', reasons, redis.sha1hex(bytes)) end
else
  redis.call('LREM', from, -1, bytes)
end
return 1
