#!lua flags=allow-oom
-- Claims the one job that a blocking move has just landed. It stands right behind that move, so most calls find nothing,
-- and what it takes is what a lone job waits: behind claim.lua, which can do more, it began a sixth later.
--
-- KEYS  fleet, in-flight hash, paused, landing list
-- ARGV  identity, token, payload limit (bytes), the queue's name
-- reply as claim.lua's for one list
local items = redis.pcall('LRANGE', KEYS[4], -1, -1)
if items.err then return {1, 1, -2} end
local item = items[1]
if not item then return {1, 1, 0} end
-- I3
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {0} end
local paused = redis.pcall('SMISMEMBER', KEYS[3], ARGV[4])
if paused[1] == 1 then return {1, 1, -1} end
-- I4
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 then return {2} end
-- I2
redis.call('HSET', KEYS[2], ARGV[2], item)
redis.call('LTRIM', KEYS[4], 0, -2)
return {1, 1, 1, #item <= tonumber(ARGV[3]) and item}
