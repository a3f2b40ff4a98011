-- Count a request against each limit of a tenant, or against none, in one atomic step.
-- KEYS[1]: hash of limit per minute -> when all that was counted against it will have grown back, in seconds.
-- KEYS[2]: sorted set of "<hold> <places>" by when they are free again, in seconds; "~<hold> <places>" of who waits for them.
-- ARGV: the hold's id, its places, the tenant's concurrent places or -1, seconds that places are kept, seconds to
-- wait for a place, seconds of the window, seconds that places which come free are kept for this hold or 0 where it does not
-- wait, then of each limit per minute its name, what it allows, and how much of it the request takes.
-- Returns the limit that takes longest to have room, and how long; nothing where all have.
-- The same as MemoryAllowances.take.
local TOLERANCE_S = 1e-4
local hold, places, concurrent = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local kept_s, place_wait_s, window_s, reserved_s = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now_s = tonumber(time[1]) + tonumber(time[2]) / 1e6

local longest_s, limit, dues = TOLERANCE_S, nil, {}
for index = 8, #ARGV, 3 do
  local name, allowed, count = ARGV[index], tonumber(ARGV[index + 1]), tonumber(ARGV[index + 2])
  local due_s = math.max(tonumber(redis.call('HGET', KEYS[1], name) or 0), now_s) + count * window_s / allowed
  dues[#dues + 1] = name
  dues[#dues + 1] = string.format('%.17g', due_s)
  if due_s - now_s - window_s > longest_s then
    limit, longest_s = name, due_s - now_s - window_s
  end
end

if concurrent >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.6f', now_s))
  local taken = 0
  for _, member in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    local waits, id, count = string.match(member, '^(~?)(%S+) (%d+)$')
    -- Who waits gives way to what is held and not to who else waits: they would keep each other waiting.
    if id ~= hold and (waits == '' or reserved_s == 0) then
      taken = taken + tonumber(count)
    end
  end
  if taken + places > concurrent and place_wait_s > longest_s then
    limit, longest_s = 'concurrent_images', place_wait_s
  end
end

if limit then
  if limit == 'concurrent_images' and reserved_s > 0 then
    redis.call('ZADD', KEYS[2], string.format('%.6f', now_s + reserved_s), '~' .. hold .. ' ' .. places)
    redis.call('EXPIRE', KEYS[2], math.ceil(math.max(kept_s, reserved_s)) + 1)
  end
  return {limit, string.format('%.6f', longest_s)}
end
if #dues > 0 then
  redis.call('HSET', KEYS[1], unpack(dues))
  redis.call('EXPIRE', KEYS[1], math.ceil(window_s) + 1)
end
if places > 0 then
  redis.call('ZREM', KEYS[2], '~' .. hold .. ' ' .. places)
  redis.call('ZADD', KEYS[2], string.format('%.6f', now_s + kept_s), hold .. ' ' .. places)
  redis.call('EXPIRE', KEYS[2], math.ceil(kept_s) + 1)
end
return {}
