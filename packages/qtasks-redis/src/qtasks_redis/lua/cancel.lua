#!lua flags=allow-oom
-- include moves
-- Cancels what waits, notes the wish for what runs. ARGV: clock, id, reason. Returns the answer.
local id, reason = ARGV[2], ARGV[3]
local more = unpacked(redis.call('HGET', P .. 'more', id))
local claim = redis.call('HGET', P .. 'running', id)
if claim then
    local owner = string.sub(claim, 1, 32)
    more.k = reason
    keep_more(id, more)
    redis.call('PUBLISH', KEYS[1] .. ':changes', 'cancel ' .. owner .. '\n') -- it need not be who takes
    return 'requested'
end
local record = record_of(id)
local member, queue = head_of(record)
if not member then return 'unknown' end
if ended(record) then return 'finished' end
local waited = more.p == 1
if redis.call('ZREM', P .. 'ready:' .. queue, member) + redis.call('ZREM', P .. 'delayed:' .. queue, member) > 0 then
    waited = true
end
if not waited then return 'unknown' end
redis.call('ZREM', P .. 'expiring', id)
end_alone(id, queue, record, 'cancel', more, reason, nil, 0)
return 'cancelled'
