#!lua flags=no-writes
-- include moves
-- The records of tasks. ARGV: clock, the ids. Returns the time, then of each: record, more, claim, worker's name.
local reply = {string.format('%.0f', wall)}
for at = 2, #ARGV do
    local id = ARGV[at]
    local record = record_of(id)
    local claim = record and redis.call('HGET', P .. 'running', id)
    reply[#reply + 1] = record
    reply[#reply + 1] = record and redis.call('HGET', P .. 'more', id) or ''
    reply[#reply + 1] = claim or ''
    reply[#reply + 1] = claim and redis.call('HGET', P .. 'owners', string.sub(claim, 1, 32)) or ''
end
return reply
