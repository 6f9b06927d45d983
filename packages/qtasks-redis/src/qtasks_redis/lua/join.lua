#!lua flags=allow-oom
-- include moves
-- Begins an incarnation, or goes on with it while its lease holds. ARGV: clock, owner, lease, channel, name, cap.
local owner = ARGV[2]
reap(tonumber(ARGV[6]))
redis.call('ZADD', P .. 'leases', steady + tonumber(ARGV[3]), owner)
redis.call('HSET', P .. 'owners', owner, ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. ARGV[5])
return 1
