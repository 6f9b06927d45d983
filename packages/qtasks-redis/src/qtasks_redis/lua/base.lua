-- What every script begins with: the clock, the names of the keys, and who is woken.
--
-- All keys of an application share one hash tag, so a script needs to be told only their beginning:
--   task:ID      record: MEMBER QUEUE newline PAYLOAD, when it has ended also ENDING MORE TRAILER
--   ready:Q      zset of members, all with score 0: their order is priority, then acceptance
--   delayed:Q    zset of members by due time        idle:Q   zset of owners by the time of waiting
--   running      id -> claim: OWNER (32) TOKEN (14) held:OWNER   set of ids
--   waits        owner -> queues that it waits for  pushed:OWNER   list of ids that it was pushed, until it says so
--   leases       zset of owners by their end        owners   owner -> LEASE CHANNEL NAME
--   more         id -> what only some open tasks have, see below
--   expiring     zset of ids by expiry              unique   "QUEUE KEY" -> id
--   dead         zset of "QUEUE ID" by death        ended    list of the last ids, the newest first
--   waiters      id -> channels                     queues, finished   queue -> how many; paused: set
--   parked       id -> member, of tasks whose queue is elsewhere
--   stream:ID    list: "ATTEMPT TOKEN", then values
--   workers      owner -> until when, last report    counts   "FIELD TASK" -> number
--   values       key -> version, until when, value   value-ends   zset of keys by that time
--   config       "NAME zero byte KEY" -> value       config-version, layout, numbers: the last number given out
-- A member is PRIORITY (8 hex digits, 0 at 80000000) BATCH (10, what `queues` counted before) INDEX (4) ID (32). A
-- trailer is the lengths of ENDING (8) and MORE (8), the id of the task's replay (32), and a zero byte. Times: us.
-- `more` is a map: a attempts, c crashes, d due, h history, k reason to cancel, l lost, p parked elsewhere,
-- s streams, u unique key, x expiry. A task without any of these has no entry.

local P = KEYS[1] .. ':'
local SOON_US = 2000000 -- an idle owner looks again after as long; what is due sooner wakes one
local NO_CHILD = string.rep('-', 32)

-- What time it is, in microseconds: of the day, and of the clock that leases are measured by.
local wall, steady
local function look_at_clock()
    if wall then return end
    if ARGV[1] == '' then
        local time = redis.call('TIME')
        wall = time[1] * 1000000 + time[2]
        steady = wall
    else -- a clock that tests move
        local day, run = string.match(ARGV[1], '^(%d+) (%d+)$')
        wall, steady = tonumber(day), tonumber(run)
    end
end

local function holds(owner)
    look_at_clock()
    local till = redis.call('ZSCORE', P .. 'leases', owner)
    return till and tonumber(till) > steady
end

local MORE = {
    a = 'number', c = 'number', d = 'number', h = 'table', k = 'string', l = 'number', p = 'number', s = 'number',
    u = 'string', w = 'string', x = 'number',
}

-- What only some tasks have; without what somebody else has put there.
local function unpacked(text)
    if not text or text == '' then return {} end
    local fine, map = pcall(cmsgpack.unpack, text)
    local more = {}
    if fine and type(map) == 'table' then
        for name, kind in pairs(MORE) do
            if type(map[name]) == kind and map[name] == map[name] then more[name] = map[name] end
        end
    end
    return more
end

-- Add to a counter in a hash; one that somebody has spoilt begins anew.
local function add(key, field, number)
    if type(redis.pcall('HINCRBY', P .. key, field, number)) == 'table' then
        redis.call('HSET', P .. key, field, number)
    end
end

local function keep_more(id, more)
    if next(more) then
        redis.call('HSET', P .. 'more', id, cmsgpack.pack(more))
    else
        redis.call('HDEL', P .. 'more', id)
    end
end

-- Call a command with any number of arguments behind its first ones.
local function spread(command, key, list)
    for from = 1, #list, 1000 do
        redis.call(command, key, unpack(list, from, math.min(from + 999, #list)))
    end
end

-- The owner that has waited longest for tasks of a queue, and its channel: it waits there no more.
local function next_idle(queue)
    while true do
        local owner = redis.call('ZPOPMIN', P .. 'idle:' .. queue)[1]
        if not owner then return nil end
        if holds(owner) then
            local channel = string.match(redis.call('HGET', P .. 'owners', owner) or '', '^%d+ ([^ ]+) ')
            if channel then return owner, channel end
        end
    end
end

local function waits_no_more(owner)
    for queue in string.gmatch(redis.call('HGET', P .. 'waits', owner) or '', '[^ ]+') do
        redis.call('ZREM', P .. 'idle:' .. queue, owner)
    end
    redis.call('HDEL', P .. 'waits', owner)
end

-- Wake so many who wait for tasks of a queue: they are to look again.
local function wake(queue, count)
    for _ = 1, count do
        local owner, channel = next_idle(queue)
        if not owner then return end
        redis.call('PUBLISH', channel, 'take ' .. owner .. '\n')
    end
end
