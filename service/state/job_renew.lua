-- Keep a worker's jobs its own, in one atomic step. KEYS[3]: when workers were last heard. ARGV: the worker, then ids.
-- Returns the ids that are not its own, and those that are to be cancelled.
local worker = ARGV[2]
local lost, cancelled = {}, {}
for index = 3, #ARGV do
  local id = ARGV[index]
  if is_workers(id, worker) then
    local entry, is_cancelled = read_job(id, 'entry', 'cancelled')
    redis.call('XCLAIM', stream, GROUP, worker, 0, entry, 'JUSTID')
    if is_cancelled then
      cancelled[#cancelled + 1] = id
    end
  else
    lost[#lost + 1] = id
  end
end
redis.call('SET', KEYS[3], string.format('%d', now_ms))
return {lost, cancelled}
