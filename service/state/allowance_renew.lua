-- Keep the places of a hold, counted again where they were forgotten, in one atomic step.
-- KEYS[1]: sorted set of "<hold> <places>" by when they are free again. ARGV: the hold's id, its places, seconds to keep.
local kept_s, time = tonumber(ARGV[3]), redis.call('TIME')
local free_s = tonumber(time[1]) + tonumber(time[2]) / 1e6 + kept_s
redis.call('ZADD', KEYS[1], string.format('%.6f', free_s), ARGV[1] .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], math.ceil(kept_s) + 1)
