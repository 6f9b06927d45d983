#!lua
-- Accepts messages of one queue. ARGV: clock, "ready", "push" or "parked", queue, how many; of each: priority, index
-- with id, payload, of 1,000 at most; then of those that have options: their number, from 1, and the options.
-- Returns pairs of a number and the id under which that message was known before.
-- With "push" a single message for which somebody waits is pushed into its hands at once.
local P, queue, count = KEYS[1] .. ':', ARGV[3], tonumber(ARGV[4])
local parked, bare = ARGV[2] == 'parked', #ARGV == 4 + count * 3
local tasks, tail = P .. 'task:', queue .. '\n'
local known, ready = {}, {}

-- What came after what is told by how many the queue had accepted before it; a number that cannot be begins anew.
local order = 0
if not parked then
    local total = redis.pcall('HINCRBY', P .. 'queues', queue, count)
    order = type(total) == 'number' and total - count or -1
    if order < 0 or order >= 2 ^ 40 then
        redis.call('HSET', P .. 'queues', queue, count)
        order = 0
    end
end
local batch = string.format('%010x', order)

-- The commonest case comes first, ahead of the functions that the others need: messages without options.
if bare and not parked then
    local records, seen, fresh = {}, {}, true
    for number = 1, count do
        local at = 2 + number * 3
        local member = ARGV[at] .. batch .. ARGV[at + 1]
        local key = tasks .. string.sub(ARGV[at + 1], 5)
        fresh = fresh and not seen[key]
        seen[key] = true
        records[2 * number - 1], records[2 * number] = key, member .. tail .. ARGV[at + 2]
        ready[2 * number - 1], ready[2 * number] = 0, member
    end
    if not fresh or redis.call('MSETNX', unpack(records)) == 0 then -- some are known: they wait already
        local all = ready
        ready = {}
        for at = 1, 2 * count, 2 do
            if redis.call('SETNX', records[at], records[at + 1]) == 1 then
                ready[#ready + 1] = 0
                ready[#ready + 1] = all[at + 1]
            end
        end
    end
    if #ready == 2 * count and redis.call('EXISTS', P .. 'idle:' .. queue) == 0
        and type(redis.pcall('ZADD', P .. 'ready:' .. queue, unpack(ready))) == 'number' then
        return known
    end
end

-- include base
local PUSHED_BYTES = 65536
local options, new, keys, runnable = {}, {}, {}, #ready / 2
for at = 2, #ready, 2 do new[#new + 1] = ready[at] end
for at = 5 + count * 3, #ARGV, 2 do options[tonumber(ARGV[at])] = cmsgpack.unpack(ARGV[at + 1]) end

-- Write what each message has, and where it waits, or push it. Returns the first owner to be woken, and its channel.
local function accept()
    for number = 1, (parked or not bare) and count or 0 do
        local at = 2 + number * 3
        local place = ARGV[at + 1]
        local id = string.sub(place, 5)
        local more = options[number]
        local key = more and more.u and queue .. ' ' .. more.u
        local open = key and redis.call('HGET', P .. 'unique', key)
        if parked then place = string.sub(place .. NO_CHILD, 1, 36) end -- other queues may have longer ids
        local member = ARGV[at] .. batch .. place
        if open and redis.call('EXISTS', tasks .. open) == 1 then -- otherwise somebody else has put it there
            known[#known + 1] = number
            known[#known + 1] = open
        elseif redis.call('SETNX', tasks .. id, member .. tail .. ARGV[at + 2]) == 1 then
            new[#new + 1] = member
            local due = 0
            if more or parked then
                more = more or {}
                due = more.d or 0
                if more.r then redis.call('HSET', P .. 'waiters', id, more.r) end
                if key then
                    keys[#keys + 1] = key
                    redis.call('HSET', P .. 'unique', key, id)
                end
                if more.x and not parked then redis.call('ZADD', P .. 'expiring', more.x, id) end
                more.r = nil
                more.p = parked and 1 or nil
                if next(more) then keep_more(id, more) end
            end
            if parked then
                redis.call('HSET', P .. 'parked', id, member)
            else
                if due == 0 or due <= wall + SOON_US then runnable = runnable + 1 end
                if due > 0 and due > wall then
                    redis.call('ZADD', P .. 'delayed:' .. queue, due, member)
                else
                    ready[#ready + 1] = 0
                    ready[#ready + 1] = member
                end
            end
        end
    end
    local owner, channel
    if runnable > 0 then owner, channel = next_idle(queue) end
    local plain = owner and ARGV[2] == 'push' and count == 1 and #ready > 0 and not (options[1] and next(options[1]))
        and #ARGV[7] <= PUSHED_BYTES and redis.call('EXISTS', P .. 'ready:' .. queue) == 0
        and redis.call('SISMEMBER', P .. 'paused', queue) == 0
    while owner and plain do
        local id, token = string.sub(ARGV[6], 5), string.format('%014x', redis.call('INCR', P .. 'numbers'))
        redis.call('HSET', P .. 'running', id, owner .. token)
        redis.call('SADD', P .. 'held:' .. owner, id)
        redis.call('RPUSH', P .. 'pushed:' .. owner, id)
        waits_no_more(owner)
        local body = token .. ready[2] .. tail .. ARGV[7]
        if redis.call('PUBLISH', channel, 'take ' .. owner .. '\n' .. body) > 0 then return end
        redis.call('HDEL', P .. 'running', id) -- it has died, and nobody has told yet
        redis.call('SREM', P .. 'held:' .. owner, id)
        redis.call('LREM', P .. 'pushed:' .. owner, 0, id)
        owner, channel = next_idle(queue)
    end
    if #ready > 0 then spread('ZADD', P .. 'ready:' .. queue, ready) end
    return owner, channel
end

if not bare then look_at_clock() end
local fine, owner, channel = pcall(accept)
local accepted = fine and #new or 0
if not parked and accepted < count then add('queues', queue, accepted - count) end
if not fine then -- a key is not of its type: nothing is accepted until that is mended, and the call may be repeated
    for _, member in ipairs(new) do
        local id = string.sub(member, 23)
        redis.call('DEL', tasks .. id)
        for _, name in ipairs({'more', 'parked', 'running', 'waiters'}) do redis.pcall('HDEL', P .. name, id) end
        redis.pcall('ZREM', P .. 'expiring', id)
        redis.pcall('ZREM', P .. 'delayed:' .. queue, member)
    end
    for _, key in ipairs(keys) do redis.pcall('HDEL', P .. 'unique', key) end
    error(owner, 0)
end
if owner then
    redis.call('PUBLISH', channel, 'take ' .. owner .. '\n')
    wake(queue, runnable - 1)
end
return known
