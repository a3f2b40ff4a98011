-- Put a job that is the worker's back to the front, or end it where it is to be cancelled, in one atomic step.
-- ARGV: the worker, the id, milliseconds that a result is kept.
local worker, id, kept_ms = ARGV[2], ARGV[3], ARGV[4]
if is_workers(id, worker) then
  local entry, is_cancelled = read_job(id, 'entry', 'cancelled')
  put_back(id)
  if is_cancelled then
    end_unmade(id, 'cancelled', '', kept_ms)
    leave_stream(entry)
  end
end
