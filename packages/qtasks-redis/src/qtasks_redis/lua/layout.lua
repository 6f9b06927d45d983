#!lua flags=allow-oom
-- Notes the layout of the keys where there is none. ARGV: clock, layout. Returns the one that is there.
redis.call('SET', P .. 'layout', ARGV[2], 'NX')
return redis.call('GET', P .. 'layout')
