-- Give a worker jobs to do, in one atomic step.
-- KEYS[3]: the number of this worker's last call. KEYS[4]: when workers were last heard. KEYS[5]: there while no job counts
-- as abandoned.
-- ARGV: the worker, how many, the number of this call, milliseconds that a claim is kept, that a result is kept, how often
-- a job may be begun, why one is set aside then, how many tenants' jobs are passed over and those tenants, and the numbers of
-- earlier calls whose answers were lost.
-- Returns id, tenant, work, images and attempt of each job.
local worker, count, call = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local claim_kept_ms, result_kept_ms = tonumber(ARGV[5]), ARGV[6]
local max_attempts, set_aside_reason = tonumber(ARGV[7]), ARGV[8]
local passed_tenants = tonumber(ARGV[9])
-- Of a worker's own; none has as many rows.
local MAX_PENDING = 1000
-- Read at a time.
local PAGE = 100
local CALL_KEPT_MS, CONSUMERS_KEPT_MS = 3600 * 1000, 24 * 3600 * 1000
-- Idle for longer are only jobs that were put back.
local AGES_MS = 1e12
local last_call, heard, grace = KEYS[3], KEYS[4], KEYS[5]

ensure_group()

-- A call that was held up and that a later one overtook: nobody hears its answer any more.
if call < tonumber(redis.call('GET', last_call) or 0) then
  return {}
end
redis.call('SET', last_call, call, 'PX', CALL_KEPT_MS)

local function name_of(number)
  return last_call .. ':' .. number
end

-- What was given in answers that were lost, nobody does.
local function take_back(lost)
  for _, pending in ipairs(redis.call('XPENDING', stream, GROUP, '-', '+', MAX_PENDING, worker)) do
    local entry = redis.call('XRANGE', stream, pending[1], pending[1])[1]
    local id = entry and entry[2][2]
    if id and is_workers(id, worker) and lost[read_job(id, 'call')] then
      put_back(id)
    end
  end
end

if #ARGV > 9 + passed_tenants then
  local lost = {}
  for index = 10 + passed_tenants, #ARGV do
    lost[name_of(ARGV[index])] = true
  end
  take_back(lost)
end

-- Where no worker was heard for so long, it was this Redis that was away: they get time to renew their claims.
local function min_idle_ms()
  local heard_ms = tonumber(redis.call('GET', heard) or now_ms)
  redis.call('SET', heard, string.format('%d', now_ms))
  if now_ms - heard_ms > claim_kept_ms / 2 then
    redis.call('SET', grace, 1, 'PX', math.ceil(claim_kept_ms / 2))
  end
  return redis.call('EXISTS', grace) == 1 and AGES_MS or claim_kept_ms
end

local passing = {}
for index = 10, 9 + passed_tenants do
  passing[ARGV[index]] = true
end

local claims = {}

-- Give the worker a job whose entry it has read or may take over, where there is anything to do; or pass it over.
local function offer(entry, id)
  local state, is_cancelled, attempts, tenant = read_job(id, 'state', 'cancelled', 'attempts', 'tenant')
  if state ~= 'waiting' and state ~= 'running' then
    leave_stream(entry)
  elseif is_cancelled then
    end_unmade(id, 'cancelled', '', result_kept_ms)
    leave_stream(entry)
  elseif tonumber(attempts) >= max_attempts then
    end_unmade(id, 'set_aside', set_aside_reason, result_kept_ms)
    leave_stream(entry)
  elseif passing[tenant] then
    if state == 'waiting' then
      leave_to_nobody(entry)
    end
  else
    redis.call('XCLAIM', stream, GROUP, worker, 0, entry, 'JUSTID')
    redis.call('ZREM', waiting, id)
    redis.call('HSET', job_key(id), 'state', 'running', 'worker', worker, 'call', name_of(call))
    local attempt = redis.call('HINCRBY', job_key(id), 'attempts', 1)
    local work, images = read_job(id, 'work', 'images')
    claims[#claims + 1] = {id, tenant, work, images, attempt}
  end
end

-- Those that were put back, passed over or abandoned.
local function offer_pending(min_idle)
  local after = '-'
  repeat
    local page = redis.call('XPENDING', stream, GROUP, 'IDLE', string.format('%d', min_idle), after, '+', PAGE)
    for _, pending in ipairs(page) do
      if #claims >= count then
        return
      end
      local entry = redis.call('XRANGE', stream, pending[1], pending[1])[1]
      if entry then
        offer(entry[1], entry[2][2])
      else
        leave_stream(pending[1])
      end
      after = '(' .. pending[1]
    end
  until #page < PAGE
end

local function offer_new()
  while #claims < count do
    local streams = redis.call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', count - #claims, 'STREAMS', stream, '>')
    if not streams then
      return
    end
    for _, entry in ipairs(streams[1][2]) do
      offer(entry[1], entry[2][2])
    end
  end
end

offer_pending(min_idle_ms())
offer_new()

-- Workers that are gone for good.
if call == 1 then
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, GROUP)) do
    local name, pending, idle_ms = consumer[2], consumer[4], consumer[6]
    if pending == 0 and idle_ms > CONSUMERS_KEPT_MS then
      redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, name)
    end
  end
end
return claims
