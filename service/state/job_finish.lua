-- End a job that is the worker's, in one atomic step. ARGV: the worker, the id, the name of this ending, milliseconds that
-- the result is kept, the state, the reason, the answer. Returns whether this ending ended it.
local worker, id, ending, kept_ms, state, reason, answer = unpack(ARGV, 2)
local ended_by, entry = read_job(id, 'ending', 'entry')
if ended_by == ending then
  return 1
elseif not is_workers(id, worker) then
  return 0
end
redis.call('HSET', job_key(id), 'answer', answer, 'ending', ending)
end_job(id, state, reason, kept_ms)
leave_stream(entry)
return 1
