#!lua flags=allow-oom
-- include moves
-- Has a channel told of news of a task while it is open. ARGV: clock, id, channel. Returns 1 when it is open.
local id, channel = ARGV[2], ARGV[3]
local record = record_of(id)
if not record or ended(record) then return 0 end
local channels = redis.call('HGET', P .. 'waiters', id)
if not channels then
    redis.call('HSET', P .. 'waiters', id, channel)
elseif not string.find(' ' .. channels .. ' ', ' ' .. channel .. ' ', 1, true) then
    redis.call('HSET', P .. 'waiters', id, channels .. ' ' .. channel)
end
return 1
