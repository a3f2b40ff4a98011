-- Return what a job told after a place, and whether it goes on, as they were at one moment. ARGV: the id, the place.
local id, after = ARGV[2], ARGV[3]
local state = read_job(id, 'state')
local goes_on = state == 'waiting' or state == 'running'
return {goes_on and 1 or 0, redis.call('XRANGE', told_key(id), '(' .. after, '+')}
