#!lua flags=allow-oom
-- include moves
-- Has a channel told of news of a task while it is open. ARGV: clock, id, channel. Returns 1 when it is open.
local id, channel = ARGV[2], ARGV[3]
local record = record_of(id)
if not record or ended(record) then return 0 end
watch(id, channel)
return 1
