#!lua flags=allow-oom
-- A process joins the fleet. Refused (0) when its identity was ever seen and is not all gone: a copied nonce.
-- KEYS  fleet, dying, lease, in-flight hash      ARGV  identity, what it publishes, lease in ms, what the lease holds
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
  or redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1
  or redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then
  return 0
end
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
