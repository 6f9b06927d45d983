#!lua flags=allow-oom
-- include moves
-- Removes some of the tasks that wait in a queue. ARGV: clock, queue. Returns how many.
local queue = ARGV[2]
local members = {}
local function pop(key)
    if #members >= STEP then return end
    local found = redis.call('ZPOPMIN', P .. key .. queue, STEP - #members)
    for at = 1, #found, 2 do members[#members + 1] = found[at] end
end
pop('ready:')
pop('delayed:')
for _, member in ipairs(members) do
    drop(string.sub(member, 23))
end
return #members
