-- The one-way move from the living to the dying (I8): by the process itself at shutdown (ARGV[2] = '1'), or by a
-- reaper when the lease is gone, or still holds just what was seen of connections that are gone; and the fleet was
-- watched for as long as a lease.
-- KEYS  fleet, dying, lease, watch      ARGV  identity, own, lease in ms, what was seen ('-': nothing)
-- reply 1 moved, 0 not in the fleet, -1 its lease holds, -2 nobody has watched for long enough
if ARGV[2] ~= '1' then
  local lease = redis.call('GET', KEYS[3])
  if lease and (ARGV[4] == '-' or lease ~= ARGV[4]) then return -1 end
  if watched(KEYS[4]) < tonumber(ARGV[3]) then return -2 end
end
local published = redis.call('HGET', KEYS[1], ARGV[1])
if not published then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], published)
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
