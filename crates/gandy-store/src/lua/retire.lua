#!lua flags=allow-oom
-- The one-way move from the living to the dying (I8): by the process itself at shutdown (ARGV[2] = '1'), or by a
-- reaper when the lease is gone.
-- KEYS  fleet, dying, lease      ARGV  identity, own
-- reply 1 moved, 0 not in the fleet, -1 its lease holds
if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS[3]) == 1 then return -1 end
local published = redis.call('HGET', KEYS[1], ARGV[1])
if not published then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], published)
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
