-- Count members once less each, never below nothing, in one atomic step.
-- KEYS[1]: hash of member -> images given. ARGV: the members. What has expired in the meantime stays gone.
for index = 1, #ARGV do
  local left = tonumber(redis.call('HGET', KEYS[1], ARGV[index]) or 0) - 1
  if left > 0 then
    redis.call('HSET', KEYS[1], ARGV[index], left)
  else
    redis.call('HDEL', KEYS[1], ARGV[index])
  end
end
return #ARGV
