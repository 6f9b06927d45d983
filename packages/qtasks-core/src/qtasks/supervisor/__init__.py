"""The supervisor: the parent process of `qtasks run`.

`supervisor.py` is its life; `process.py` is one worker process as the parent sees it, `lifeline.py` the end
of the connection that the worker process holds, `leases.py` renews and ends leases, and `losses.py` tells what
the dead had in hand. It is told by which command worker processes are started and knows nothing of applications.
"""
