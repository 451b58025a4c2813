#!lua flags=allow-oom
-- Since when the fleet has been watched without a gap (I8). Put before the text of the scripts that ask.
--
-- Leases are keys: when Redis restarts, stalls, jumps in time, loses data or is out of everybody's reach, all of them may
-- be gone while everybody lives. So one that is gone is believed only after somebody has watched for as long as a lease.
-- The record of that is one for all who watch: where workers crash one after another, nobody watches for long. It
-- expires after the longest gap that cannot end a lease, so that a stall, an outage or a jump that could ends it too; a
-- restart or a failover shows in the run id.
-- Returns milliseconds so far, the time at which that began, and the run id.
local function watched(record)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local from, by = string.match(redis.call('GET', record) or '', '^(%d+) (%w+)$')
  from = tonumber(from)
  if by ~= run or from > now then from = now end
  return now - from, from, run
end

