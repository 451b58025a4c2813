#!lua flags=allow-oom
-- Claims jobs: from their lists into the in-flight hash. What ended is finished by a plain HDEL in front of this, in the
-- same write: through a script it cost Redis a fifteenth of a job.
--
-- KEYS  fleet, in-flight hash, paused, then the lists to claim from, in this order
-- ARGV  identity, number of jobs wanted, first token number, payload limit, reply limit (bytes), number of jobs to look
--       at first, then for each list the name of its queue
-- reply {state, then for each list that was read: its place, n, n payloads}
--       state 1 = claimed, 0 = this identity is not alive, 2 = one of the tokens is in use already
--       n = -1 the queue is paused, -2 the key has another type; a payload over the limit is nil (false)
local inflight = KEYS[2]
local wanted = tonumber(ARGV[2])
-- I3: Redis runs a request whose sender has died; its claim would land where no reaper looks.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return {0}
end
local number = tonumber(ARGV[3])
local limit, room, look = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local names = {unpack(ARGV, 7)}
-- A `paused` of another type pauses nothing; it must not stop every claim.
local paused = redis.pcall('SMISMEMBER', KEYS[3], unpack(names))
if paused.err then paused = {} end
local reply, size = {1}, 1

-- The last two digits of a token's number. Writing each number out cost Redis a tenth of a job: Lua formats by printf.
local digits = {
  '00', '01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '11', '12', '13', '14', '15', '16', '17', '18', '19',
  '20', '21', '22', '23', '24', '25', '26', '27', '28', '29', '30', '31', '32', '33', '34', '35', '36', '37', '38', '39',
  '40', '41', '42', '43', '44', '45', '46', '47', '48', '49', '50', '51', '52', '53', '54', '55', '56', '57', '58', '59',
  '60', '61', '62', '63', '64', '65', '66', '67', '68', '69', '70', '71', '72', '73', '74', '75', '76', '77', '78', '79',
  '80', '81', '82', '83', '84', '85', '86', '87', '88', '89', '90', '91', '92', '93', '94', '95', '96', '97', '98', '99',
}

-- Takes from the right end of a list, oldest first; payloads go into the reply behind `base`. In growing steps, so that
-- a list of huge payloads is not read whole before their size is known (I12): the caller begins with few where it
-- does not know them. Returns how many it took, or -2 when the list is of another type.
local function take(list, suffix, base)
  local n, step = 0, look
  while wanted > 0 and room > 0 do
    local k = math.min(step, wanted)
    step = math.min(step * 4, 256)
    local items = redis.pcall('LRANGE', list, -k, -1)
    if items.err then return n > 0 and n or -2 end
    local count = #items
    if count == 0 then return n end
    -- As many as there is room for, the oldest first: one more than fits, so that a large one gets through.
    local first = count + 1
    while first > 1 and room > 0 do
      first = first - 1
      local length = #items[first]
      if length <= limit then room = room - length end
    end
    local tokens, entries, p = {}, {}, 0
    local low = number % 100
    local high = string.format('%d', (number - low) / 100)
    for i = count, first, -1 do
      low = low + 1
      local token = (high == '0' and low - 1 or high .. digits[low]) .. suffix
      p = p + 1
      if low == 100 then
        low, high = 0, string.format('%d', (number + p) / 100)
      end
      tokens[p] = token
      entries[2 * p - 1] = token
      entries[2 * p] = items[i]
    end
    -- I4: a claim whose tokens exist would overwrite jobs.
    local held = redis.call('HMGET', inflight, unpack(tokens))
    for i = 1, p do
      if held[i] then
        reply[1] = 2
        wanted = 0
        return n
      end
    end
    -- I2: what keeps comes before what removes.
    redis.call('HSET', inflight, unpack(entries))
    redis.call('LTRIM', list, 0, -(p + 1))
    for i = 1, p do
      local item = entries[2 * i]
      reply[base + n + i] = #item <= limit and item
    end
    number = number + p
    n = n + p
    wanted = wanted - p
    if p < k then return n end
  end
  return n
end

for q = 1, #names do
  if wanted <= 0 or room <= 0 then break end
  local n = -1
  if paused[q] ~= 1 then n = take(KEYS[3 + q], ':' .. names[q], size + 2) end
  reply[size + 1], reply[size + 2] = q, n
  size = size + 2 + math.max(n, 0)
end
return reply
