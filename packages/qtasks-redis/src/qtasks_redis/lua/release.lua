#!lua flags=allow-oom
-- include moves
-- Ends an incarnation. ARGV: clock, owner, cap of dead letters, "death" or "", the note of the death.
-- Returns the ids that went back or became dead.
local owner, cap = ARGV[2], tonumber(ARGV[3])
redis.call('HDEL', P .. 'workers', owner)
if not holds(owner) then
    reap(cap)
    return {}
end
local death = ARGV[4] == 'death' and ARGV[5] or nil
return take_away(owner, death, death ~= nil, cap)
