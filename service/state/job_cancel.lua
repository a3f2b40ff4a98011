-- End a job that waits, or have the worker of one that runs told, in one atomic step. ARGV: the id, milliseconds that the
-- result is kept. Returns whether it is cancelled, or will be.
local id, kept_ms = ARGV[2], ARGV[3]
local state, entry = read_job(id, 'state', 'entry')
if state == 'waiting' then
  end_unmade(id, 'cancelled', '', kept_ms)
  -- What no worker has read yet stays until one does, so that Redis can tell how far the workers lag behind.
  if #redis.call('XPENDING', stream, GROUP, entry, entry, 1) > 0 then
    leave_stream(entry)
  end
elseif state == 'running' then
  redis.call('HSET', job_key(id), 'cancelled', 1)
end
return (state == 'waiting' or state == 'running' or state == 'cancelled') and 1 or 0
