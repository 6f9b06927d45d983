#!lua flags=no-writes
-- The ids among which the records with a status are. ARGV: clock, status or "", queue or "", at most how many.
local status, wanted, limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
local ids, seen = {}, {}
local function put(id)
    if #ids < limit and not seen[id] then ids[#ids + 1] = id end
    seen[id] = true
end
local queues = wanted ~= '' and {wanted} or redis.call('HKEYS', P .. 'queues')
if status == '' or status == 'dead' then
    for _, letter in ipairs(redis.call('ZRANGE', P .. 'dead', 0, limit - 1, 'REV')) do
        local queue, id = string.match(letter, '^([^ ]*) (.*)$')
        if id and (wanted == '' or wanted == queue) then put(id) end
    end
end
if status == '' or status == 'process' then
    for _, id in ipairs(redis.call('HKEYS', P .. 'running')) do put(id) end
end
if status == '' or status == 'new' or status == 'retry' then
    for _, id in ipairs(redis.call('HKEYS', P .. 'parked')) do put(id) end
    for _, queue in ipairs(queues) do
        for _, key in ipairs({'ready:', 'delayed:'}) do
            for _, member in ipairs(redis.call('ZRANGE', P .. key .. queue, 0, limit - #ids - 1, 'REV')) do
                put(string.sub(member, 23))
            end
        end
    end
end
if status ~= 'new' and status ~= 'retry' and status ~= 'process' and status ~= 'dead' then
    for _, id in ipairs(redis.call('LRANGE', P .. 'ended', 0, limit - 1)) do put(id) end
end
return ids
