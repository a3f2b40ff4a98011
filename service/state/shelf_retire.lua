-- Retire versions of a name, in one atomic step. ARGV: the name, then the version, or nothing for all of them.
local name, only = ARGV[1], ARGV[2]
local changed = false
for _, field in ipairs(redis.call('HKEYS', entries_key)) do
  local entry_name, version = string.match(field, '^(.*)@(%d+)$')
  local entry = redis.call('HGET', entries_key, field)
  if entry_name == name and (not only or version == only) and string.sub(entry, -2) == ' 0' then
    redis.call('HSET', entries_key, field, string.sub(entry, 1, -2) .. '1')
    changed = true
  end
end
if changed then
  revise()
end
