#!lua flags=allow-oom
-- Enters a process among the dying that is not among the living and of which something is in flight: nobody else knows
-- of it. On a full Redis too: what it holds would wait until memory is free.
-- KEYS  fleet, dying, in-flight hash      ARGV  identity      reply 1 entered, 0 nothing to do
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 or redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[2], ARGV[1], '{}')
