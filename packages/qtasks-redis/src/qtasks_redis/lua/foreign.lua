#!lua flags=no-writes
-- Finds keys that somebody else has written. ARGV: clock, then words among which names of queues and owners may be.
-- Returns pairs of such a key and what is wrong with it.
local KINDS = {
    config = 'hash', ['config-version'] = 'string', counts = 'hash', dead = 'zset', ended = 'list', expiring = 'zset',
    finished = 'hash', layout = 'string', leases = 'zset', more = 'hash', numbers = 'string', owners = 'hash',
    parked = 'hash', paused = 'set', queues = 'hash', running = 'hash', unique = 'hash', ['value-ends'] = 'zset',
    values = 'hash', waiters = 'hash', waits = 'hash', workers = 'hash',
}
local OF_EACH = {delayed = 'zset', held = 'set', idle = 'zset', pushed = 'list', ready = 'zset', stream = 'list'}
local found = {}

local function put(name, trouble)
    found[#found + 1] = P .. name
    found[#found + 1] = trouble
end

local function look(name, kind)
    local is = redis.call('TYPE', P .. name).ok
    if is ~= kind and is ~= 'none' then put(name, 'is a ' .. is .. ', not a ' .. kind) end
end

for name, kind in pairs(KINDS) do look(name, kind) end
local named = {}
for at = 2, #ARGV do named[ARGV[at]] = true end
for _, key in ipairs({'queues', 'owners'}) do
    local names = redis.pcall('HKEYS', P .. key)
    for at = 1, math.min(#names, 1000) do named[names[at]] = true end
end
for word in pairs(named) do
    for name, kind in pairs(OF_EACH) do look(name .. ':' .. word, kind) end
end
local number = redis.pcall('GET', P .. 'numbers')
if type(number) == 'string' and not (#number < 16 and string.find(number, '^%d+$')) then
    put('numbers', 'holds no number that can be counted on')
end
return found
