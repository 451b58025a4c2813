#!lua flags=allow-oom
-- Takes processes off the list that show no heartbeat: Sidekiq's own rule. One that lives writes itself there again.
-- KEYS  processes, then the heartbeat of each      ARGV  the identities      reply  how many were removed
local removed = 0
for i, identity in ipairs(ARGV) do
  local beats = redis.pcall('HEXISTS', KEYS[i + 1], 'info')
  if beats == 0 then removed = removed + redis.call('SREM', KEYS[1], identity) end
end
return removed
