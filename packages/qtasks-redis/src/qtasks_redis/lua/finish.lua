#!lua flags=allow-oom
-- include moves
-- Writes what became of deliveries. ARGV: clock, owner, cap of dead letters, cap of streams, number of outcomes; then
-- the ids of all, their claims, queues, statuses, milliseconds to keep, due times, and bodies: the record of what
-- ends, the note of the attempt of what is repeated; then of each stream value: id, claim, attempt, offset, value.
-- Returns the ids that were refused.
local owner, cap, stream_cap, count = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local held = holds(owner)
local refused, turned_down = {}, {}
local function refuse(id)
    if not turned_down[id] then
        turned_down[id] = true
        refused[#refused + 1] = id
    end
end

for at = 6 + count * 7, #ARGV, 5 do
    local id, claim = ARGV[at], ARGV[at + 1]
    if held and string.sub(claim, 1, 32) == owner and redis.call('HGET', P .. 'running', id) == claim then
        local more = unpacked(redis.call('HGET', P .. 'more', id))
        stream(id, more, ARGV[at + 2], string.sub(claim, 33), tonumber(ARGV[at + 3]), ARGV[at + 4], stream_cap)
    else
        refuse(id)
    end
end

local done, ends, told = {}, {}, {}
local settled = {}
for first = 6, 5 + count, 1000 do
    local last = math.min(first + 999, 5 + count)
    local running = redis.call('HMGET', P .. 'running', unpack(ARGV, first, last))
    local mores = redis.call('HMGET', P .. 'more', unpack(ARGV, first, last))
    local channels = redis.call('HMGET', P .. 'waiters', unpack(ARGV, first, last))
    for at = first, last do
        local id, claim, status = ARGV[at], ARGV[at + count], ARGV[at + 3 * count]
        local index = at - first + 1
        if not held or running[index] ~= claim or settled[id] or string.sub(claim, 1, 32) ~= owner then
            refuse(id)
        else
            settled[id] = true
            local more = mores[index] and unpacked(mores[index])
            local body = ARGV[at + 6 * count]
            if status == 'retry' or status == 'new' then
                more = more or {}
                if status == 'retry' then
                    more.a = (more.a or 0) + 1
                    note(more, body)
                end
                put_back(owner, id, more, tonumber(ARGV[at + 5 * count]), false)
            else
                local queue = ARGV[at + 2 * count]
                local record = close(id, queue, status, body, tonumber(ARGV[at + 4 * count]), more, cap)
                done[#done + 1] = id
                ends[queue] = (ends[queue] or 0) + 1
                if channels[index] then
                    told[#told + 1] = id
                    publish(channels[index], 'task ' .. id .. '\n' .. (#record <= BODY_BYTES and record or ''))
                end
            end
        end
    end
end
if #done > 0 then
    spread('HDEL', P .. 'running', done)
    spread('SREM', P .. 'held:' .. owner, done)
    note_ends(ends, done)
end
spread('HDEL', P .. 'waiters', told)
return refused
