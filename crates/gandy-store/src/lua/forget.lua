#!lua flags=allow-oom
-- Ends the memory of a dead process, only when nothing of it is left in flight.
-- KEYS  dying, in-flight hash      ARGV  identity      reply 1 forgotten, 0 jobs are left
if redis.call('HLEN', KEYS[2]) > 0 then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
