-- Forget a request that is its caller's, in one atomic step. KEYS[1]: hash of the request. ARGV: the caller's token.
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
