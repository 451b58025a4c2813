#!lua flags=allow-oom
-- A process proves that it lives. Refused (0) once it was declared dead; an expired lease alone is only a suspicion.
-- KEYS  fleet, lease      ARGV  identity, lease in ms, what it holds
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
return 1
