"""The backend in one SQLite file: broker, storage and global config for the processes of one machine.

From the faces down: `broker.py`, `storage.py` and `global_config.py` are the components; with `queue.py`,
`lease.py` and `shared.py` they hold what the methods do, as functions over a session, and `moves.py` writes
the moves of tasks between their states. `session.py` is one connection and its transactions, `database.py`
who shares one and how calls are repeated, `doorbell.py` how processes wake each other, `loop.py` how
coroutines wait for that. `schema.sql` is the layout, `schema.py` how it is opened, `location.py` the URL,
`errors.py` what SQLite's errors become.

Local file systems only: network ones share neither locks nor memory.
"""
