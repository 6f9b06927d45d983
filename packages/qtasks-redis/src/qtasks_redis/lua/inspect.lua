#!lua flags=no-writes
-- include moves
-- The facts of all queues. ARGV: clock. Returns of each: name, ready, delayed, running, dead, paused, accepted,
-- finished, and a list of the records, and due times where there are any, among which the oldest ready task is.
local running, dead = {}, {}
for _, id in ipairs(redis.call('HKEYS', P .. 'running')) do
    local _, queue = head_of(record_of(id))
    if queue then running[queue] = (running[queue] or 0) + 1 end
end
for _, letter in ipairs(redis.call('ZRANGE', P .. 'dead', 0, -1)) do
    local queue = string.match(letter, '^[^ ]*')
    dead[queue] = (dead[queue] or 0) + 1
end
local facts = {string.format("%.0f", wall)}
for _, queue in ipairs(redis.call('HKEYS', P .. 'queues')) do
    local ready, delayed = P .. 'ready:' .. queue, P .. 'delayed:' .. queue
    local due = redis.call('ZCOUNT', delayed, '-inf', wall)
    local oldest = {}
    local first = redis.call('ZRANGE', ready, 0, 0)[1]
    for _ = 1, 20 do -- the first of each priority
        if not first then break end
        local record = record_of(string.sub(first, 23))
        if record then
            oldest[#oldest + 1] = record
            oldest[#oldest + 1] = '0'
        end
        first = redis.call('ZRANGEBYLEX', ready, '(' .. string.sub(first, 1, 8) .. '\255', '+', 'LIMIT', 0, 1)[1]
    end
    if due > 0 then
        local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
        oldest[#oldest + 1] = record_of(string.sub(head[1], 23)) or ''
        oldest[#oldest + 1] = string.format('%.0f', math.max(tonumber(head[2]), 0))
    end
    facts[#facts + 1] = {
        queue,
        redis.call('ZCARD', ready) + due,
        redis.call('ZCARD', delayed) - due,
        running[queue] or 0,
        dead[queue] or 0,
        redis.call('SISMEMBER', P .. 'paused', queue),
        tonumber(redis.call('HGET', P .. 'queues', queue)) or 0,
        tonumber(redis.call('HGET', P .. 'finished', queue)) or 0,
        oldest,
    }
end
return facts
