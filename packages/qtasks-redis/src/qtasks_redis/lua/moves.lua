-- The moves of a task between its states, for the scripts that say `include moves`.

look_at_clock()

local STEP = 500
local KEEP_ENDED_MS = 7 * 86400 * 1000
local NOTED_RETRIES = 100
local DEATHS = 3
local BODY_BYTES = 65536
local WAITERS_BYTES = 8192

-- A record; nothing when there is none, and when somebody has put something else in its place.
local function record_of(id)
    return redis.call('MGET', P .. 'task:' .. id)[1]
end

-- Member and queue of a record, and where its payload begins; nothing when somebody else has written it.
local function head_of(record)
    local newline = record and string.find(record, '\n', 54, true)
    if not newline or newline < 55 then return nil end
    return string.sub(record, 1, 54), string.sub(record, 55, newline - 1), newline + 1
end

-- True for the record of a task that has ended: it has a trailer.
local function ended(record)
    return string.sub(record, -1) == '\0' and string.find(string.sub(record, -49, -34), '^%x+$') ~= nil
end

local function publish(channels, message)
    for channel in string.gmatch(channels, '[^ ]+') do
        redis.call('PUBLISH', channel, message)
    end
end

-- Have a channel told of news of a task. The last of them are: those who left long ago make room, the others ask again.
local function watch(id, channel)
    local channels = redis.call('HGET', P .. 'waiters', id)
    if not channels then
        redis.call('HSET', P .. 'waiters', id, channel)
    elseif not string.find(' ' .. channels .. ' ', ' ' .. channel .. ' ', 1, true) then
        redis.call('HSET', P .. 'waiters', id, string.sub(channels .. ' ' .. channel, -WAITERS_BYTES))
    end
end

-- Tell those who wait for a task; they ask again when they want to hear more.
local function tell(id, body)
    local channels = redis.call('HGET', P .. 'waiters', id)
    if channels then
        redis.call('HDEL', P .. 'waiters', id)
        publish(channels, 'task ' .. id .. '\n' .. (body or ''))
    end
end

local function add_ready(queue, members)
    local scored = {}
    for _, member in ipairs(members) do
        scored[#scored + 1] = 0
        scored[#scored + 1] = member
    end
    spread('ZADD', P .. 'ready:' .. queue, scored)
end

local function forget(id)
    redis.call('DEL', P .. 'task:' .. id, P .. 'stream:' .. id)
end

-- Remove all that is known of a task that is in no queue.
local function drop(id)
    local more = unpacked(redis.call('HGET', P .. 'more', id))
    if more.u then
        local _, queue = head_of(record_of(id))
        if queue then redis.call('HDEL', P .. 'unique', queue .. ' ' .. more.u) end
    end
    redis.call('HDEL', P .. 'more', id)
    redis.call('HDEL', P .. 'parked', id)
    redis.call('ZREM', P .. 'expiring', id)
    forget(id)
    tell(id)
end

local function bury(queue, id, cap)
    redis.call('ZADD', P .. 'dead', wall, queue .. ' ' .. id)
    local over = redis.call('ZCARD', P .. 'dead') - cap
    if over > 0 then
        local oldest = redis.call('ZPOPMIN', P .. 'dead', over)
        for at = 1, #oldest, 2 do
            forget(string.match(oldest[at], ' (.*)$') or '')
        end
    end
end

-- Put what only this task has behind the ending in its record, and forget it elsewhere.
local function merge(id, queue, record, more, keep_ms)
    if more.u then
        local key = queue .. ' ' .. more.u
        if redis.call('HGET', P .. 'unique', key) == id then redis.call('HDEL', P .. 'unique', key) end
    end
    if more.p then redis.call('HDEL', P .. 'parked', id) end
    if more.s and keep_ms then redis.call('PEXPIRE', P .. 'stream:' .. id, keep_ms) end
    more.u, more.x, more.d, more.l, more.p, more.w = nil, nil, nil, nil, nil, nil
    redis.call('HDEL', P .. 'more', id)
    local rest = cmsgpack.pack(more)
    local ending_bytes, child = string.sub(record, -49, -42), string.sub(record, -33, -2)
    return string.sub(record, 1, -50) .. rest .. ending_bytes .. string.format('%08x', #rest) .. child .. '\0'
end

-- End a task that is in no queue and in nobody's hands any more. Returns its record.
local function close(id, queue, status, record, keep_ms, more, cap)
    if more and next(more) then record = merge(id, queue, record, more, keep_ms > 0 and keep_ms) end
    if status == 'dead' then
        redis.call('SET', P .. 'task:' .. id, record)
        bury(queue, id, cap)
    elseif keep_ms > 0 then
        redis.call('SET', P .. 'task:' .. id, record, 'PX', keep_ms)
    else
        forget(id)
    end
    return record
end

-- Note that tasks have ended: they are counted, listed, and those who wait for them are told.
local function note_ends(count_of, ids)
    for queue, count in pairs(count_of) do
        add('finished', queue, count)
    end
    if #ids > 0 then
        spread('LPUSH', P .. 'ended', ids)
        redis.call('LTRIM', P .. 'ended', 0, 9999)
    end
end

-- End a task without a worker's outcome.
local function end_alone(id, queue, record, status, more, reason, failure, cap)
    local keep_until = wall + KEEP_ENDED_MS * 1000
    local ending = '\153' .. cmsgpack.pack(status, wall, keep_until, more.w or '', 0, nil, failure, false, reason)
    record = record .. ending .. string.format('%08x00000000', #ending) .. NO_CHILD .. '\0'
    record = close(id, queue, status, record, KEEP_ENDED_MS, more, cap)
    note_ends({[queue] = 1}, {id})
    tell(id, #record <= BODY_BYTES and record)
end

-- A task whose record somebody has spoilt while it ran becomes a dead letter: nobody knows where it came from.
local function end_spoilt(id, record, more)
    local queue, failure = 'default', {type = 'malformed', text = 'its record was spoilt while it ran'}
    record = string.rep('0', 22) .. string.sub(id .. NO_CHILD, 1, 32) .. queue .. '\n' .. (record or '')
    end_alone(id, queue, record, 'dead', more, nil, cjson.encode(failure), math.huge)
end

-- Let a task wait again that was in an owner's hands; it ends when somebody asked to cancel it.
local function put_back(owner, id, more, due, lost)
    local record = record_of(id)
    local member, queue = head_of(record)
    if not member then
        end_spoilt(id, record, more)
    elseif more.k then
        end_alone(id, queue, record, 'cancel', more, more.k, nil, 0)
    else
        more.l = lost and 1 or nil
        more.d = due > 0 and due or nil
        keep_more(id, more)
        if more.x then redis.call('ZADD', P .. 'expiring', more.x, id) end
        if due > wall then
            redis.call('ZADD', P .. 'delayed:' .. queue, due, member)
        else
            redis.call('ZADD', P .. 'ready:' .. queue, 0, member)
        end
    end
    -- Last: where a key is not of its type the script ends before, and the task is still in the owner's hands.
    redis.call('HDEL', P .. 'running', id)
    redis.call('SREM', P .. 'held:' .. owner, id)
    if member and not more.k and due <= wall + SOON_US then wake(queue, 1) end
end

-- One more line of a task's history.
local function note(more, line)
    more.h = more.h or {}
    if #more.h < NOTED_RETRIES then more.h[#more.h + 1] = line end
end

-- Keep a streamed value; the first of a run replaces those of the run before.
local function stream(id, more, attempt, token, offset, value, cap)
    if offset >= cap then return end
    local key = P .. 'stream:' .. id
    local before = redis.pcall('LINDEX', key, 0)
    if type(before) == 'table' then before = nil end -- something else is there, which is replaced
    local run = attempt .. ' ' .. token
    if before ~= run then
        local old_attempt, old_token = string.match(before or '', '^(%d+) (.*)$')
        if old_attempt and (tonumber(old_attempt) > tonumber(attempt)
            or (tonumber(old_attempt) == tonumber(attempt) and old_token > token)) then
            return
        end
        redis.call('DEL', key)
        redis.call('RPUSH', key, run)
    end
    if offset + 1 < redis.call('LLEN', key) then
        redis.call('LSET', key, offset + 1, value)
    else
        redis.call('RPUSH', key, value)
    end
    if not more.s then
        more.s = 1
        keep_more(id, more)
    end
    local channels = redis.call('HGET', P .. 'waiters', id)
    if channels then publish(channels, 'task ' .. id .. '\n') end
end

-- End an incarnation and put back what it has. Returns the ids.
local function take_away(owner, death, lost, cap)
    local ids = redis.call('SMEMBERS', P .. 'held:' .. owner)
    local name = string.match(redis.call('HGET', P .. 'owners', owner) or '', '^%d+ [^ ]* (.*)$')
    local gone = {}
    for _, id in ipairs(ids) do
        local claim = redis.call('HGET', P .. 'running', id)
        if claim and string.sub(claim, 1, 32) == owner then
            local more = unpacked(redis.call('HGET', P .. 'more', id))
            gone[#gone + 1] = id
            if death then
                more.c = (more.c or 0) + 1
                note(more, '{"attempt":' .. (more.a or 0) .. ',"worker":' .. cjson.encode(name or '')
                    .. ',"started":0,"finished":' .. string.format('%.0f', wall) .. ',"error":' .. cjson.encode(death)
                    .. ',"crash":true}')
            end
            local record = record_of(id)
            local _, queue = head_of(record)
            if queue and death and more.c >= DEATHS then
                redis.call('HDEL', P .. 'running', id)
                more.w = name
                local text = DEATHS .. ' workers died while they ran it; the last: ' .. death
                local failure = cjson.encode({type = 'WorkerDied', text = text})
                end_alone(id, queue, record, 'dead', more, nil, failure, cap)
            else
                put_back(owner, id, more, 0, lost)
            end
        end
    end
    redis.call('DEL', P .. 'held:' .. owner)
    redis.call('ZREM', P .. 'leases', owner)
    redis.call('HDEL', P .. 'owners', owner)
    redis.call('DEL', P .. 'pushed:' .. owner)
    waits_no_more(owner)
    return gone
end

-- Put back what is in the hands of owners whose lease is over. A clock that was set back makes no lease longer.
local function reap(cap)
    for _ = 1, 100 do
        local last = redis.call('ZRANGE', P .. 'leases', -1, -1, 'WITHSCORES')
        if not last[1] then break end
        local lease = string.match(redis.call('HGET', P .. 'owners', last[1]) or '', '^%d+') or 0
        if tonumber(last[2]) <= steady + lease then break end
        redis.call('ZADD', P .. 'leases', steady + lease, last[1])
    end
    for _, owner in ipairs(redis.call('ZRANGEBYSCORE', P .. 'leases', '-inf', steady, 'LIMIT', 0, 100)) do
        take_away(owner, nil, true, cap)
    end
end

-- End what nobody took in its time. Returns how many; as many as STEP when there may be more.
local function expire()
    local ids = redis.call('ZRANGEBYSCORE', P .. 'expiring', '-inf', '(' .. string.format('%.0f', wall), 'LIMIT', 0, STEP)
    for _, id in ipairs(ids) do
        redis.call('ZREM', P .. 'expiring', id)
        local record = record_of(id)
        local member, queue = head_of(record)
        if member and redis.call('ZREM', P .. 'ready:' .. queue, member)
            + redis.call('ZREM', P .. 'delayed:' .. queue, member) > 0 then
            end_alone(id, queue, record, 'expired', unpacked(redis.call('HGET', P .. 'more', id)), nil, nil, 0)
        end
    end
    return #ids
end
