#!lua flags=allow-oom
-- Gives the duty to promote up, so that the next worker need not wait until it runs out.
-- KEYS  promoter      ARGV  identity      reply 1 given up, 0 it was not ours
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
