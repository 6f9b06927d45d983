#!lua flags=no-writes
-- What an owner was asked to cancel. ARGV: clock, owner. Returns pairs of id and reason.
local found = {}
if holds(ARGV[2]) then
    for _, id in ipairs(redis.call('SMEMBERS', P .. 'held:' .. ARGV[2])) do
        local more = unpacked(redis.call('HGET', P .. 'more', id))
        if more.k then
            found[#found + 1] = id
            found[#found + 1] = more.k
        end
    end
end
return found
