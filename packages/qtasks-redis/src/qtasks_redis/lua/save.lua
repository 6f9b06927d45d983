#!lua
-- include moves
-- Stores a shared value if its version is still the one that was loaded. ARGV: clock, key, version,
-- "delete" or "store", for how long ("" is for ever), the value. Returns 1 when it was stored.
local found = redis.call('HGET', P .. 'values', ARGV[2])
local version, till = string.match(found or '', '^(%d+) (%d*) ')
if not version or (till ~= '' and tonumber(till) <= wall) then version = '0' end
if version ~= ARGV[3] then return 0 end
redis.call('ZREM', P .. 'value-ends', ARGV[2])
if ARGV[4] == 'delete' then
    redis.call('HDEL', P .. 'values', ARGV[2])
    return 1
end
local number = redis.call('INCR', P .. 'numbers')
local ends = ARGV[5] ~= '' and string.format('%.0f', wall + tonumber(ARGV[5])) or ''
redis.call('HSET', P .. 'values', ARGV[2], string.format('%.0f', number) .. ' ' .. ends .. ' ' .. ARGV[6])
if ends ~= '' then redis.call('ZADD', P .. 'value-ends', ends, ARGV[2]) end
return 1
