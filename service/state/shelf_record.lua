-- Have versions on the shelf with the numbers that they have, in one atomic step; a version that is there keeps its
-- digest, and is retired where either says so. ARGV: for each its name, version, digest, when published, retired or not.
local changed = false
for index = 1, #ARGV, 5 do
  local name, version, digest, published_s, retired = unpack(ARGV, index, index + 4)
  local field = name .. '@' .. version
  local entry = redis.call('HGET', entries_key, field)
  if not entry then
    entry = digest .. ' ' .. published_s .. ' ' .. retired
  elseif retired == '1' then
    entry = string.sub(entry, 1, -2) .. '1'
  end
  if redis.call('HGET', entries_key, field) ~= entry then
    redis.call('HSET', entries_key, field, entry)
    changed = true
  end
  if tonumber(version) > tonumber(redis.call('HGET', latest_key, name) or 0) then
    redis.call('HSET', latest_key, name, version)
  end
end
if changed then
  revise()
end
