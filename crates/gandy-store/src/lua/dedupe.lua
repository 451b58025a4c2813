#!lua flags=allow-oom
-- Removes one of two copies of a job, only while the other is there: the last copy is never removed.
-- KEYS  where the copy is that stays, where the other is, dead, reasons
-- ARGV  type of the first (list | zset), its bytes, type of the second, its bytes
-- reply 1 removed, 0 one of them is gone
local function count(kind, key, bytes)
  if kind == 'zset' then return redis.call('ZSCORE', key, bytes) and 1 or 0 end
  return #redis.call('LPOS', key, bytes, 'RANK', -1, 'COUNT', 2, 'MAXLEN', 20000)
end
local wanted = (KEYS[1] == KEYS[2] and ARGV[2] == ARGV[4]) and 2 or 1
if count(ARGV[1], KEYS[1], ARGV[2]) < wanted or count(ARGV[3], KEYS[2], ARGV[4]) < wanted then return 0 end
if ARGV[3] == 'zset' then
  redis.call('ZREM', KEYS[2], ARGV[4])
  if KEYS[2] == KEYS[3] then redis.pcall('HDEL', KEYS[4], redis.sha1hex(ARGV[4])) end
else
  redis.call('LREM', KEYS[2], -1, ARGV[4])
end
return 1
