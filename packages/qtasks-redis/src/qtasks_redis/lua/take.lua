#!lua
-- include moves
-- Hands over what is due. ARGV: clock, owner, limit, channel where to ring ("" when it does not wait),
-- "idle" when it is said to wait from an earlier call, "reconcile" or "", number of queues, the queues, then when
-- reconciling claim and id of what is in hand. Returns the microseconds to wait for more, or -1 to ask again at
-- once; when something is handed over 0, the token, and of each: members, queues, records, more.
local owner, limit, channel = ARGV[2], tonumber(ARGV[3]), ARGV[4]
if not holds(owner) then return redis.error_reply('QTASKS lease lost') end
local queues = {}
for at = 8, 7 + tonumber(ARGV[7]) do queues[#queues + 1] = ARGV[at] end

if ARGV[5] == 'idle' then
    for _, queue in ipairs(queues) do redis.call('ZREM', P .. 'idle:' .. queue, owner .. ' ' .. channel) end
end
if ARGV[6] == 'reconcile' then
    local kept = {}
    for at = 8 + #queues, #ARGV do kept[ARGV[at]] = true end
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
if expire() == STEP then return {-1} end

local members, home = {}, {}
local paused = redis.call('SMISMEMBER', P .. 'paused', unpack(queues))
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

if #members == 0 then
    if channel == '' then return {0} end
    local next_due = wall + SOON_US
    for _, queue in ipairs(queues) do
        redis.call('ZADD', P .. 'idle:' .. queue, wall, owner .. ' ' .. channel)
        local first = redis.call('ZRANGE', P .. 'delayed:' .. queue, 0, 0, 'WITHSCORES')[2]
        if first then next_due = math.min(next_due, tonumber(first)) end
    end
    return {math.max(next_due - wall, 1000)}
end

local token = string.format('%014x', redis.call('INCR', P .. 'numbers'))
local claim, tasks = owner .. token, P .. 'task:'
local ids, keys, claims = {}, {}, {}
for at, member in ipairs(members) do
    local id = string.sub(member, 23)
    if #member ~= 54 then -- not ours: it becomes a message that a worker buries
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
