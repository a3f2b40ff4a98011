-- What the shelf's scripts share.
-- KEYS[1]: the revision. KEYS[2]: hash of name -> its latest version. KEYS[3]: hash of "<name>@<version>" -> "<digest>
-- <published, in seconds> <retired, 0 or 1>".
local revision_key, latest_key, entries_key = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now_s = time[1] .. '.' .. string.format('%06d', time[2])

-- Beyond all revisions of a Redis that has lost everything too: changes are further apart than milliseconds.
local function revise()
  local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local revision = math.max(tonumber(redis.call('GET', revision_key) or 0) + 1, now_ms)
  redis.call('SET', revision_key, string.format('%d', revision))
  return revision
end
