#!lua flags=no-writes
-- include moves
-- The last reports of the workers that were not silent for too long. ARGV: clock.
local fresh = {}
for _, report in ipairs(redis.call('HVALS', P .. 'workers')) do
    local till, facts = string.match(report, '^(%d+) (.*)$')
    if till and tonumber(till) > wall then fresh[#fresh + 1] = facts end
end
return fresh
