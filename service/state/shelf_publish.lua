-- Publish a vector as the next version of its name, in one atomic step; what is its latest version keeps its number.
-- ARGV: the name, the digest, the version to be beyond.
local name, digest, above = ARGV[1], ARGV[2], tonumber(ARGV[3])
local latest = tonumber(redis.call('HGET', latest_key, name) or 0)
local entry = redis.call('HGET', entries_key, name .. '@' .. latest)
if entry and latest > above then
  local published_digest, retired = string.match(entry, '^(%S+) %S+ (%d)$')
  if published_digest == digest and retired == '0' then
    return latest
  end
end
local version = math.max(latest, above) + 1
redis.call('HSET', latest_key, name, version)
redis.call('HSET', entries_key, name .. '@' .. version, digest .. ' ' .. now_s .. ' 0')
revise()
return version
