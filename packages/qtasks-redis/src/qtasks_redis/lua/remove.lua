#!lua flags=allow-oom
-- include moves
-- Deletes records, whatever their status. ARGV: clock, the ids.
for at = 2, #ARGV do
    local id = ARGV[at]
    local member, queue = head_of(record_of(id))
    if member then
        redis.call('ZREM', P .. 'ready:' .. queue, member)
        redis.call('ZREM', P .. 'delayed:' .. queue, member)
        redis.call('ZREM', P .. 'dead', queue .. ' ' .. id)
    end
    local claim = redis.call('HGET', P .. 'running', id)
    if claim then
        redis.call('HDEL', P .. 'running', id)
        redis.call('SREM', P .. 'held:' .. string.sub(claim, 1, 32), id)
    end
    drop(id)
end
return 1
