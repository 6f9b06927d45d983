#!lua flags=allow-oom
-- include moves
-- Renews leases and does the housekeeping. ARGV: clock, cap of dead letters, the owners.
-- Returns how many tasks were ended because their time was over, and the owners that are confirmed.
local confirmed = {0}
for at = 3, #ARGV do
    local owner = ARGV[at]
    if holds(owner) then
        local lease = string.match(redis.call('HGET', P .. 'owners', owner) or '', '^%d+')
        if lease then
            redis.call('ZADD', P .. 'leases', steady + tonumber(lease), owner)
            confirmed[#confirmed + 1] = owner
        end
    end
end
reap(tonumber(ARGV[2]))
confirmed[1] = expire()
local over = redis.call('ZRANGEBYSCORE', P .. 'value-ends', '-inf', wall, 'LIMIT', 0, STEP)
if #over > 0 then
    redis.call('HDEL', P .. 'values', unpack(over))
    redis.call('ZREM', P .. 'value-ends', unpack(over))
end
return confirmed
