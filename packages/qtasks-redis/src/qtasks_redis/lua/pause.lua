#!lua flags=allow-oom
-- Pauses a queue, or resumes it. ARGV: clock, queue, "1" or "0".
add('queues', ARGV[2], 0)
if ARGV[3] == '1' then
    redis.call('SADD', P .. 'paused', ARGV[2])
else
    redis.call('SREM', P .. 'paused', ARGV[2])
    wake(ARGV[2], redis.call('ZCARD', P .. 'ready:' .. ARGV[2]))
end
return 1
