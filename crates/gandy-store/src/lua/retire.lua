-- The one-way move from the living to the dying (I8): by the process itself at shutdown (ARGV[2] = '1'), or by a
-- reaper when the lease is gone and the fleet was watched for as long as a lease, or when the lease still tells of
-- connections that are gone from this very run of the server.
-- KEYS  fleet, dying, lease, watch      ARGV  identity, own, lease in ms, what the lease told, of which run
-- reply 1 moved, 0 not in the fleet, -1 its lease holds, -2 nobody has watched for long enough
if ARGV[2] ~= '1' then
  local lease = redis.call('GET', KEYS[3])
  local so_far, _, run = watched(KEYS[4])
  if lease and not (lease == ARGV[4] and run == ARGV[5]) then return -1 end
  if not lease and so_far < tonumber(ARGV[3]) then return -2 end
end
local published = redis.call('HGET', KEYS[1], ARGV[1])
if not published then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], published)
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
