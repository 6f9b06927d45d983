#!lua flags=allow-oom
-- include moves
-- Keeps what a worker says and adds its counters. ARGV: clock, owner ("" for counters alone), how long its report
-- is kept, the report; then pairs of a field of the counters and a number or, for texts, "=text".
if ARGV[2] ~= '' then
    local reports = redis.call('HGETALL', P .. 'workers')
    for at = 1, #reports, 2 do
        local till = tonumber(string.match(reports[at + 1], '^%d+') or 0)
        if till <= wall then redis.call('HDEL', P .. 'workers', reports[at]) end
    end
    redis.call('HSET', P .. 'workers', ARGV[2], string.format('%.0f', wall + tonumber(ARGV[3])) .. ' ' .. ARGV[4])
end
for at = 5, #ARGV, 2 do
    if string.sub(ARGV[at + 1], 1, 1) == '=' then
        redis.call('HSET', P .. 'counts', ARGV[at], string.sub(ARGV[at + 1], 2))
    else
        add('counts', ARGV[at], ARGV[at + 1])
    end
end
return 1
