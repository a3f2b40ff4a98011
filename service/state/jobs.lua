-- What the scripts of jobs share.
-- KEYS[1]: stream of the jobs that wait or run, one entry each, read by the group of workers. KEYS[2]: sorted set of the
-- jobs that wait, by their number. ARGV[1]: what all keys begin with; then comes what each script takes.
-- A job is a hash: tenant, key_id, work, images, created_s, number, entry (in the stream), state, attempts; worker and
-- call while it runs; cancelled when it is to be; answer, ending and reason once it has ended.
local stream, waiting, prefix = KEYS[1], KEYS[2], ARGV[1]
local GROUP = 'workers'
-- Whose the pending entries are of jobs that were put back or passed over: a stream takes nothing in at its front.
local NOBODY = 'nobody'
-- More only come together where no worker lives.
local MAX_UNMADE = 1024

local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function job_key(id)
  return prefix .. 'job:' .. id
end

local function told_key(id)
  return prefix .. 'told:' .. id
end

local function read_job(id, ...)
  return unpack(redis.call('HMGET', job_key(id), ...))
end

-- A Redis that came back empty has no group; nor has one that saw no job yet.
local function ensure_group()
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  end
end

local function leave_stream(entry)
  redis.call('XACK', stream, GROUP, entry)
  redis.call('XDEL', stream, entry)
end

local function is_workers(id, worker)
  local state, owner = read_job(id, 'state', 'worker')
  return state == 'running' and owner == worker
end

-- Keep what is known of a job for its time, and wake whoever waits for what it tells.
local function end_job(id, state, reason, kept_ms)
  redis.call('HSET', job_key(id), 'state', state)
  if reason ~= '' then
    redis.call('HSET', job_key(id), 'reason', reason)
  end
  redis.call('HDEL', job_key(id), 'work', 'worker', 'call', 'cancelled')
  redis.call('ZREM', waiting, id)
  redis.call('XADD', told_key(id), '*', 'ended', state)
  redis.call('PEXPIRE', job_key(id), kept_ms)
  redis.call('PEXPIRE', told_key(id), kept_ms)
end

-- End a job that no worker ends; whoever asks for it gives back what was counted for it.
local function end_unmade(id, state, reason, kept_ms)
  local unmade = prefix .. 'jobs:unmade'
  redis.call('RPUSH', unmade, (read_job(id, 'work')))
  redis.call('LTRIM', unmade, -MAX_UNMADE, -1)
  end_job(id, state, reason, kept_ms)
end

-- Let an entry that was read wait as if it were abandoned since ever.
local function leave_to_nobody(entry)
  redis.call('XCLAIM', stream, GROUP, NOBODY, 0, entry, 'TIME', 1, 'JUSTID')
end

-- Put a job back to the front, its attempt not counted.
local function put_back(id)
  local entry, number = read_job(id, 'entry', 'number')
  leave_to_nobody(entry)
  redis.call('HSET', job_key(id), 'state', 'waiting')
  redis.call('HINCRBY', job_key(id), 'attempts', -1)
  redis.call('HDEL', job_key(id), 'worker', 'call')
  redis.call('ZADD', waiting, number, id)
end
