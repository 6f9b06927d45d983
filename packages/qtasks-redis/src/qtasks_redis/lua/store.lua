#!lua flags=allow-oom
-- include moves
-- Writes what became of deliveries of a queue elsewhere: the first end of a task wins. ARGV: clock, cap of dead
-- letters, cap of streams, number of outcomes; of each: id, attempt, status, ending, milliseconds to keep, due,
-- note of the attempt; then of each stream value: id, attempt, token, offset, value. Returns the refused ids.
local cap, stream_cap, count = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local refused, turned_down = {}, {}

local function open(id, attempt)
    local record = record_of(id)
    if record and not ended(record) then
        local more = unpacked(redis.call('HGET', P .. 'more', id))
        if (more.a or 0) <= tonumber(attempt) then return record, more end
    end
    if not turned_down[id] then
        turned_down[id] = true
        refused[#refused + 1] = id
    end
end

local outcomes_end = 4 + count * 7
for at = outcomes_end + 1, #ARGV, 5 do
    local id = ARGV[at]
    local record, more = open(id, ARGV[at + 1])
    if record then stream(id, more, ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), ARGV[at + 4], stream_cap) end
end
for at = 5, outcomes_end, 7 do
    local id, status = ARGV[at], ARGV[at + 2]
    local record, more = open(id, ARGV[at + 1])
    if record then
        local _, queue = head_of(record)
        if status == 'retry' then
            more.a = (more.a or 0) + 1
            note(more, ARGV[at + 6])
        end
        if status ~= 'retry' and status ~= 'new' then
            local new = close(id, queue, status, record .. ARGV[at + 3], tonumber(ARGV[at + 4]), more, cap)
            note_ends({[queue] = 1}, {id})
            tell(id, #new <= BODY_BYTES and new)
        elseif more.k then
            end_alone(id, queue, record, 'cancel', more, more.k, nil, cap)
        else
            local due = tonumber(ARGV[at + 5])
            more.d = due > 0 and due or nil
            keep_more(id, more)
        end
    end
end
return refused
