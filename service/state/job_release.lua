-- Put a job that is the worker's back to the front, in one atomic step. ARGV: the worker, the id.
if is_workers(ARGV[3], ARGV[2]) then
  put_back(ARGV[3])
end
