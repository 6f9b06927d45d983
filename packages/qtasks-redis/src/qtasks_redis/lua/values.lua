#!lua flags=no-writes
-- include moves
-- Shared values whose time is not over. ARGV: clock, "one" or "all", the key or the beginning of the keys.
-- Returns key, version and value of each.
local found = {}
local function put(key, text)
    local version, ends, value = string.match(text, '^(%d+) (%d*) (.*)$')
    if version and (ends == '' or tonumber(ends) > wall) then
        found[#found + 1] = key
        found[#found + 1] = version
        found[#found + 1] = value
    end
end
if ARGV[2] == 'one' then
    local text = redis.call('HGET', P .. 'values', ARGV[3])
    if text then put(ARGV[3], text) end
else
    local all = redis.call('HGETALL', P .. 'values')
    for at = 1, #all, 2 do
        if string.sub(all[at], 1, #ARGV[3]) == ARGV[3] then put(all[at], all[at + 1]) end
    end
end
return found
