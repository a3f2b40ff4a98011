-- Begin the request of a key, or say what became of it, in one atomic step.
-- KEYS[1]: hash of the request. ARGV: its digest, the token of who begins it, milliseconds that it is theirs.
-- Returns "fresh", "running" with the milliseconds left of that, "different", or "kept" with status, media type and headers.
local kept = redis.call('HMGET', KEYS[1], 'digest', 'status', 'media_type', 'headers')
if not kept[1] then
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'token', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {'fresh'}
elseif kept[1] ~= ARGV[1] then
  return {'different'}
elseif kept[2] then
  return {'kept', kept[2], kept[3], kept[4]}
end
return {'running', redis.call('PTTL', KEYS[1])}
