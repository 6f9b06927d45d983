#!lua flags=allow-oom
-- include moves
-- Reads the values of a stream. ARGV: clock, id, attempt, offset, the channel that is told when there are more, or "".
-- Returns nothing for an unknown task; else the time, record, more, claim, the attempt of the values, and the values.
local id, attempt, offset = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local record = record_of(id)
if not record then return {} end
local key = P .. 'stream:' .. id
local run = redis.pcall('LINDEX', key, 0)
if type(run) == 'table' then run = nil end -- something else is there
local written = run and tonumber(string.match(run, '^%d+')) or -1
local values = {}
if written > attempt then attempt, offset = written, 0 end
if written == attempt then values = redis.call('LRANGE', key, offset + 1, -1) end
if #values == 0 and ARGV[5] ~= '' and not ended(record) then watch(id, ARGV[5]) end
local claim = redis.call('HGET', P .. 'running', id) or ''
return {string.format('%.0f', wall), record, redis.call('HGET', P .. 'more', id) or '', claim, attempt, values}
