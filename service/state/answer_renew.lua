-- Keep a request its caller's, begun again where it was forgotten, in one atomic step.
-- KEYS[1]: hash of the request. ARGV: its digest, the caller's token, milliseconds that it stays theirs.
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'token', ARGV[2])
end
if redis.call('HGET', KEYS[1], 'token') == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
