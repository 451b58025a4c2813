-- Somebody looks at the fleet.
-- KEYS  watch      ARGV  the longest gap in ms
-- reply ms for which the fleet has been watched without a gap
local so_far, from, run = watched(KEYS[1])
redis.call('SET', KEYS[1], string.format('%.0f %s', from, run), 'PX', ARGV[1])
return so_far
