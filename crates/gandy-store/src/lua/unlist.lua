#!lua flags=allow-oom
-- Takes the name of a queue off the list where dashboards look for it, if no job waits in it.
-- KEYS  queues, the queue, its landing list      ARGV  the queue's name      reply 1 taken off, 0 not there or jobs wait
if redis.call('LLEN', KEYS[2]) > 0 or redis.call('LLEN', KEYS[3]) > 0 then return 0 end
return redis.call('SREM', KEYS[1], ARGV[1])
