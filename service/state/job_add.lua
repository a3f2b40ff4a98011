-- Let a job wait, once, in one atomic step. KEYS[3]: how many were ever added. ARGV: how many may wait, the job's id, then
-- fields of its hash and their values. Returns whether it waits, or did.
local max_waiting, id = tonumber(ARGV[2]), ARGV[3]
if redis.call('EXISTS', job_key(id)) == 1 then
  return 1
elseif redis.call('ZCARD', waiting) >= max_waiting then
  return 0
end
ensure_group()
local entry, number = redis.call('XADD', stream, '*', 'job', id), redis.call('INCR', KEYS[3])
redis.call('HSET', job_key(id), 'state', 'waiting', 'attempts', 0, 'entry', entry, 'number', number, unpack(ARGV, 4))
redis.call('ZADD', waiting, number, id)
return 1
