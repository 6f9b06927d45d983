#!lua flags=allow-oom
-- include moves
-- Notes in the record of a task that has ended which task replays it. ARGV: clock, id, child.
local record = record_of(ARGV[2])
if record and ended(record) and #ARGV[3] == 32 then
    redis.call('SETRANGE', P .. 'task:' .. ARGV[2], #record - 33, ARGV[3])
end
return 1
