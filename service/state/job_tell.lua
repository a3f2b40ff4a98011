-- Keep a happening of a job as long as the job, in one atomic step. ARGV: the id, the text, how many are kept.
local id, text, kept = ARGV[2], ARGV[3], ARGV[4]
if redis.call('EXISTS', job_key(id)) == 0 then
  return
end
redis.call('XADD', told_key(id), 'MAXLEN', '=', kept, '*', 'text', text)
local left_ms = redis.call('PTTL', job_key(id))
if left_ms >= 0 then
  redis.call('PEXPIRE', told_key(id), left_ms)
end
