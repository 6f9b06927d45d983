"""The backend in one SQLite file: broker, storage and global config for the processes of one machine.

From the faces down: `broker.py`, `storage.py` and `global_config.py` name their methods; `queue.py`,
`lease.py`, `control.py`, `records.py` and `shared.py` are what these do, as functions over a `session.py`;
`moves.py` writes the moves of tasks between their states. `database.py` says who shares a database and how
callers wait, `loop.py` how coroutines do, `doorbell.py` how processes wake each other. `schema.py` is the
layout, `location.py` the URL, `errors.py` what SQLite's errors become.

Local file systems only: network ones share neither locks nor memory.
"""
