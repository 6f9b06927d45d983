#!lua
-- Sets a value of the global config, or drops it. ARGV: clock, field, value ("" drops).
if ARGV[3] == '' then
    redis.call('HDEL', P .. 'config', ARGV[2])
else
    redis.call('HSET', P .. 'config', ARGV[2], ARGV[3])
end
redis.call('SET', P .. 'config-version', string.format('%.0f', redis.call('INCR', P .. 'numbers')))
redis.call('PUBLISH', KEYS[1] .. ':changes', 'config\n')
return 1
