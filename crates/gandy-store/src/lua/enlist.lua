#!lua flags=allow-oom
-- Writes the name of a queue that holds jobs where dashboards and reapers look for it.
-- KEYS  queues, the queue, its landing list      ARGV  the queue's name      reply 1 written, 0 nothing to do
if redis.call('LLEN', KEYS[2]) == 0 and redis.call('LLEN', KEYS[3]) == 0 then return 0 end
return redis.call('SADD', KEYS[1], ARGV[1])
