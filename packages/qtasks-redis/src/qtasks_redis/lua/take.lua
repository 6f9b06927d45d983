#!lua flags=allow-oom
-- include moves
-- Hands over what is due. ARGV: clock, owner, limit, "wait" or "", "idle" when it may still be said to wait,
-- "reconcile" or "", number of queues, the queues; then claim and id of what is in hand when reconciling, otherwise
-- the ids that were pushed to it and arrived. Returns the microseconds to wait for more and the last token, or -1
-- to ask again at once; when something is handed over 0, the token, and of each: members, queues, records, more.
local owner, limit = ARGV[2], tonumber(ARGV[3])
if not holds(owner) then return redis.error_reply('QTASKS lease lost') end
local queues = {}
for at = 8, 7 + tonumber(ARGV[7]) do queues[#queues + 1] = ARGV[at] end

local kept, missed = {}, {}
for at = 8 + #queues, #ARGV do kept[ARGV[at]] = true end
if ARGV[5] == 'idle' then
    waits_no_more(owner)
    missed = redis.call('LRANGE', P .. 'pushed:' .. owner, 0, -1)
    if #missed > 0 then redis.call('DEL', P .. 'pushed:' .. owner) end
end
if ARGV[6] == 'reconcile' then
    missed = {}
    for _, id in ipairs(redis.call('SMEMBERS', P .. 'held:' .. owner)) do
        local claim = redis.call('HGET', P .. 'running', id)
        if claim and string.sub(claim, 1, 32) == owner and not kept[claim .. id] then
            put_back(owner, id, unpacked(redis.call('HGET', P .. 'more', id)), 0, false)
        end
    end
end
if limit == 0 then return {0} end

for _, queue in ipairs(queues) do
    local due = redis.call('ZRANGEBYSCORE', P .. 'delayed:' .. queue, '-inf', wall, 'LIMIT', 0, STEP)
    if #due > 0 then
        add_ready(queue, due)
        spread('ZREM', P .. 'delayed:' .. queue, due)
    end
end
local ends_more = expire() == STEP -- some of those that are ready may be over

local members, home = {}, {}
for _, id in ipairs(missed) do
    if not kept[id] and redis.call('SISMEMBER', P .. 'held:' .. owner, id) == 1 then -- it was pushed and got lost
        local member, queue = head_of(record_of(id))
        if member then -- otherwise somebody has spoilt it: it is a dead letter when the lease ends
            members[#members + 1] = member
            home[#members] = queue
        end
    end
end
if ends_more and #members == 0 then return {-1} end

local function pop_ready()
    local paused = #queues > 0 and redis.call('SMISMEMBER', P .. 'paused', unpack(queues)) or {}
    local open = {}
    for at, queue in ipairs(queues) do
        if paused[at] == 0 then open[#open + 1] = queue end
    end
    while #open > 0 and #members < limit do
        local share = math.ceil((limit - #members) / #open)
        local full = {}
        for _, queue in ipairs(open) do
            local wanted = math.min(share, limit - #members)
            if wanted > 0 then
                local found = redis.call('ZPOPMIN', P .. 'ready:' .. queue, wanted)
                for at = 1, #found, 2 do
                    members[#members + 1] = found[at]
                    home[#members] = queue
                end
                if #found == 2 * wanted then full[#full + 1] = queue end
            end
        end
        open = full
    end
end

local ids = {}
local function hand_over()
    local token = string.format('%014x', redis.call('INCR', P .. 'numbers'))
    local claim, tasks = owner .. token, P .. 'task:'
    local keys, claims = {}, {}
    for at, member in ipairs(members) do
        local id = string.sub(member, 23)
        if #member ~= 54 or not tonumber(id, 16) then -- not ours: it becomes a message that a worker buries
            id = string.sub(redis.sha1hex(member), 1, 32)
            members[at] = '8000000000000000000000' .. id
            redis.call('SET', tasks .. id, members[at] .. home[at] .. '\n' .. member)
        end
        ids[at] = id
        keys[at] = tasks .. id
        claims[2 * at - 1] = id
        claims[2 * at] = claim
    end
    local records, mores = {}, {}
    for from = 1, #ids, 1000 do
        local till = math.min(from + 999, #ids)
        records[#records + 1] = redis.call('MGET', unpack(keys, from, till))
        mores[#mores + 1] = redis.call('HMGET', P .. 'more', unpack(ids, from, till))
    end
    spread('HSET', P .. 'running', claims)
    spread('SADD', P .. 'held:' .. owner, ids)
    spread('ZREM', P .. 'expiring', ids)
    return {0, token, members, home, records, mores}
end

local function wait()
    if ARGV[4] == '' then return {0} end
    redis.call('HSET', P .. 'waits', owner, table.concat(queues, ' '))
    local next_due = wall + SOON_US
    for _, queue in ipairs(queues) do
        redis.call('ZADD', P .. 'idle:' .. queue, wall, owner)
        local first = redis.call('ZRANGE', P .. 'delayed:' .. queue, 0, 0, 'WITHSCORES')[2]
        if first then next_due = math.min(next_due, tonumber(first)) end
    end
    return {math.max(next_due - wall, 1000), redis.call('GET', P .. 'numbers') or '0'}
end

local fine, reply = pcall(function()
    if not ends_more then pop_ready() end
    return #members > 0 and hand_over() or wait()
end)
if not fine then -- a key is not of its type: nothing is handed over until that is mended
    for at, member in ipairs(members) do redis.call('ZADD', P .. 'ready:' .. home[at], 0, member) end
    pcall(spread, 'HDEL', P .. 'running', ids)
    error(reply, 0)
end
return reply
