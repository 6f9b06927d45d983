"""The backend in memory: the reference of all others, and the queue of tests.

`machine.py` is the queue's state machine, `state.py` the data it works on, `store.py` the lock and the
waiting around it; `broker.py`, `storage.py` and `global_config.py` are its faces. Applications of one
process that name the same URL and namespace share one store; nothing survives the process.
"""
