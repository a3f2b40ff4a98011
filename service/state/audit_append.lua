-- Append lines to a chain, all or none, where it still ends as the writer knows. KEYS: the stream. ARGV: the sequence
-- and the digest of the head that they follow, then of each line its text and its digest. An entry's id is its sequence.
local stream = KEYS[1]
local sequence, digest = tonumber(ARGV[1]), ARGV[2]
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if last then
  local fields = last[2]
  if last[1] ~= ARGV[1] .. '-0' or fields[4] ~= digest then
    return {0, fields[2]}
  end
elseif sequence ~= 0 then
  return {0, ''}
end
for at = 3, #ARGV, 2 do
  sequence = sequence + 1
  redis.call('XADD', stream, string.format('%d-0', sequence), 'line', ARGV[at], 'digest', ARGV[at + 1])
end
return {1, ''}
