#!lua
-- Sets a value of the global config, or drops it. ARGV: clock, channel of the application, field, value ("" drops).
if ARGV[4] == '' then
    redis.call('HDEL', P .. 'config', ARGV[3])
else
    redis.call('HSET', P .. 'config', ARGV[3], ARGV[4])
end
redis.call('SET', P .. 'config-version', string.format('%.0f', redis.call('INCR', P .. 'numbers')))
redis.call('PUBLISH', ARGV[2], 'config\n')
return 1
