-- Count one more change, which is one of the policies, in one atomic step. Returns the revision after it.
-- KEYS[4]: the revision of the last such change.
local revision = revise()
redis.call('SET', KEYS[4], string.format('%d', revision))
return revision
