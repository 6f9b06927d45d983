-- The layout of the database; `schema.py` says how it is made and told from others.
-- Times are microseconds: UTC, but for `incarnation.until`, which is of the monotonic clock.

-- A namespace: one application.
CREATE TABLE space (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- `removed` counts tasks that were purged: with those that are there and those that ended, all that were accepted.
CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    space INTEGER NOT NULL,
    name TEXT NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (space, name)
) STRICT;

-- A worker from its start to its end, for as long as its lease holds.
CREATE TABLE incarnation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    lease INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;

-- A task's record and its place in the queue at once, so that one statement moves both. Its state is `ready`,
-- `delayed` or `process` while it is open, `stored` when its queue is another broker's, then the terminal status.
-- `seq` is no AUTOINCREMENT: that costs every commit a page (measured: 6 of 41 us), and a number that is used again
-- does no harm, because whoever writes by it also names the task's id.
CREATE TABLE task (
    seq INTEGER PRIMARY KEY,
    space INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    state TEXT NOT NULL,
    owner INTEGER,                       -- the incarnation that has it in hand
    token INTEGER NOT NULL DEFAULT 0,    -- grows with every delivery
    attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,     -- its last owner lost it
    truncated INTEGER NOT NULL DEFAULT 0,
    enqueued INTEGER NOT NULL,
    due INTEGER NOT NULL,
    expires INTEGER,                     -- none once it has ended
    started INTEGER NOT NULL DEFAULT 0,
    updated INTEGER NOT NULL,
    keep_until INTEGER,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    ukey TEXT,                           -- the unique key; none once it has ended
    reply_to TEXT,
    worker TEXT NOT NULL DEFAULT '',
    cancel_reason TEXT,
    child TEXT,
    payload BLOB NOT NULL,               -- what may be long comes last
    result BLOB,
    error BLOB,                          -- of every failure; empty when nobody said why
    history TEXT NOT NULL DEFAULT ''     -- a line of JSON per note
) STRICT;

-- Partial indexes keep each move as cheap in a table of a million tasks as in one of ten.
CREATE UNIQUE INDEX task_id ON task (id, space);
CREATE UNIQUE INDEX task_unique ON task (ukey, queue) WHERE ukey IS NOT NULL;
CREATE INDEX task_ready ON task (queue, priority, seq) WHERE state = 'ready';
CREATE INDEX task_delayed ON task (due, queue) WHERE state = 'delayed';
CREATE INDEX task_expires ON task (expires) WHERE expires IS NOT NULL;
CREATE INDEX task_owner ON task (owner) WHERE owner IS NOT NULL;
CREATE INDEX task_keep ON task (keep_until) WHERE keep_until IS NOT NULL;
CREATE INDEX task_failed ON task (space, state, updated) WHERE error IS NOT NULL;

-- The values of generator tasks, of their last run only.
CREATE TABLE stream (
    task INTEGER NOT NULL,
    place INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    token INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (task, place)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER task_gone AFTER DELETE ON task BEGIN DELETE FROM stream WHERE task = old.seq; END;

-- Who wants to be rung, once, when there is news of a key, and the name to ring.
CREATE TABLE listener (
    key TEXT NOT NULL,
    address TEXT NOT NULL,
    name TEXT NOT NULL,
    until INTEGER NOT NULL,
    UNIQUE (key, address, name)
) STRICT;

-- Shared values, settings, reports of workers, counters. A version is never used twice.
CREATE TABLE value (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    space INTEGER NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB,                          -- none where a setting was dropped
    until INTEGER,
    UNIQUE (space, kind, key)
) STRICT;
