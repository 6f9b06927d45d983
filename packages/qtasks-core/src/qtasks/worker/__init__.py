"""The worker: takes deliveries, runs them in slots, flushes outcomes, keeps its lease.

`worker.py` is the life of one worker process; each other file is one part of it.
"""
