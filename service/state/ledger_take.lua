-- Choose members one after another, each the most underserved, and count them, in one atomic step.
-- KEYS[1]: hash of member -> images given. ARGV: how many, seconds to keep the key, then each member and its share.
-- The same as policies.ledger.most_underserved, to the last bit: shares come in full and members in the order of their
-- names, because Lua in Redis compares strings by the server's locale.
local count, keep_s = tonumber(ARGV[1]), tonumber(ARGV[2])
local members, shares = {}, {}
for index = 3, #ARGV, 2 do
  members[#members + 1] = ARGV[index]
  shares[#shares + 1] = tonumber(ARGV[index + 1])
end

local served, total = redis.call('HMGET', KEYS[1], unpack(members)), 0
for index = 1, #members do
  served[index] = tonumber(served[index] or 0)
  total = total + served[index]
end

local taken = {}
for _ = 1, count do
  local chosen, most_owed = 0, -math.huge
  for index = 1, #members do
    local owed = shares[index] * (total + 1) - served[index]
    if owed > most_owed then
      chosen, most_owed = index, owed
    end
  end
  served[chosen], total = served[chosen] + 1, total + 1
  redis.call('HINCRBY', KEYS[1], members[chosen], 1)
  taken[#taken + 1] = members[chosen]
end
redis.call('EXPIRE', KEYS[1], keep_s)
return taken
