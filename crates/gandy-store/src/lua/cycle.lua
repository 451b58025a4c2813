#!lua flags=allow-oom
-- One cycle of a worker: finish what ended, then claim for the free slots.
--
-- KEYS  fleet, in-flight hash, paused, then for each queue: its landing list, the queue
-- ARGV  identity, F, F ended tokens, number of jobs wanted, first token number, payload limit, reply limit (bytes),
--       then the queues' names
-- reply {state, finished, then for each queue that was read: its index, n, n payloads}
--       state 1 = claimed, 0 = this identity is not alive, 2 = one of the tokens is in use already
--       n = -1 the queue is paused, -2 one of its keys has another type; a payload over the limit is nil
local inflight = KEYS[2]
local ended = tonumber(ARGV[2])
local finished = 0
if ended > 0 then
  finished = redis.call('HDEL', inflight, unpack(ARGV, 3, 2 + ended))
end
local at = 3 + ended
local wanted = tonumber(ARGV[at])
if wanted == 0 then
  return {1, finished}
end
-- I3: Redis runs a request whose sender has died; its claim would land where no reaper looks.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return {0, finished}
end
local number = tonumber(ARGV[at + 1])
local limit, room = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
local names = {unpack(ARGV, at + 4)}
-- A `paused` of another type pauses nothing; it must not stop every claim.
local paused = redis.pcall('SMISMEMBER', KEYS[3], unpack(names))
if paused.err then paused = {} end
local reply, size = {1, finished}, 2

-- Takes from the right end of a list, oldest first. In steps of 4, 16, 64, 256 so that a list of huge payloads is
-- not read whole before their size is known (I12). Returns false when the list is of another type.
local function take(list, name, into, n)
  local step = 4
  while wanted > 0 and room > 0 do
    local k = math.min(step, wanted)
    step = math.min(step * 4, 256)
    local items = redis.pcall('LRANGE', list, -k, -1)
    if items.err then return false, n end
    if #items == 0 then return true, n end
    -- As many as there is room for, the oldest first: one more than fits, so that a large one gets through.
    local got, first = 0, #items + 1
    while first > 1 and room > 0 do
      first, got = first - 1, got + 1
      if #items[first] <= limit then room = room - #items[first] end
    end
    local tokens, pairs_, p = {}, {}, 0
    for i = #items, first, -1 do
      local token = string.format('%d:%s', number, name)
      tokens[#tokens + 1] = token
      pairs_[p + 1], pairs_[p + 2] = token, items[i]
      p = p + 2
      number = number + 1
    end
    -- I4: a claim whose tokens exist would overwrite jobs.
    for _, held in ipairs(redis.call('HMGET', inflight, unpack(tokens))) do
      if held then
        reply[1] = 2
        wanted = 0
        return true, n
      end
    end
    -- I2: what keeps comes before what removes.
    redis.call('HSET', inflight, unpack(pairs_))
    redis.call('LTRIM', list, 0, -(got + 1))
    for i = #items, first, -1 do
      n = n + 1
      into[n] = #items[i] <= limit and items[i]
    end
    wanted = wanted - got
    if got < k then return true, n end
  end
  return true, n
end

for q = 1, #names do
  if wanted <= 0 or room <= 0 then break end
  local status, payloads, n = nil, {}, 0
  if paused[q] == 1 then
    status = -1
  else
    local fine
    fine, n = take(KEYS[2 + 2 * q], names[q], payloads, n)
    if fine then fine, n = take(KEYS[3 + 2 * q], names[q], payloads, n) end
    if not fine and n == 0 then status = -2 end
  end
  reply[size + 1], reply[size + 2] = q, status or n
  size = size + 2
  for i = 1, n do reply[size + i] = payloads[i] end
  size = size + n
end
return reply
