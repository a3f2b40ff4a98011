-- Keep the answer of a request, unless another has begun it since, in one atomic step.
-- KEYS[1]: hash of the request. ARGV: its digest, the caller's token, milliseconds to keep the answer, then the answer's
-- status, media type, headers and body.
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[1], 'token') ~= ARGV[2] then
  return
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'status', ARGV[4], 'media_type', ARGV[5], 'headers', ARGV[6],
  'body', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
