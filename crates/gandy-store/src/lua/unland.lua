#!lua flags=allow-oom
-- Puts what lies in a landing list back at the end of its queue that is popped next, order kept.
-- KEYS  landing list, queue      ARGV  how many at most      reply  how many
local n = 0
for _ = 1, tonumber(ARGV[1]) do
  if not redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT') then break end
  n = n + 1
end
return n
