"""The settings of our connections, beside what redis-py would have for them.

Each says why it has its value. What an application may choose is in its URL (`location`) and in
`BackendContext.call_timeout_s`; the latter is the only time-out of reading and writing, once connected.
"""

from __future__ import annotations

from typing import Final

CONNECT_TIMEOUT_S: Final = 2.0
"""How long one attempt to connect may take. Of the 5 s of a call it leaves enough for a second one, at another node or
after a restart of the server. On loopback connecting takes 0.5 ms, across an ocean with TLS 0.5 s. redis-py: 5 s."""

RECONNECT_S: Final = 1.0
"""The least time between failed attempts of one loop or thread: at most one connect a second, so that a thousand
workers do not keep a server down that just starts."""

RECONNECT_JITTER_S: Final = 0.1, 1.0
"""What is added to `RECONNECT_S`: full jitter, from 0 up to the first value doubled with every failure, and never
above the second. A server that comes back is thus found within 2 s. redis-py: no retries, or 10 without a pace."""

RETRY_JITTER_S: Final = 0.01, 0.25
"""The same for asking again a server that said that it cannot serve just now: it loads its data, or it fails over."""

KEEPALIVE_S: Final = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""TCP keepalive: after so many idle seconds, every so many seconds, given up after so many probes. It keeps firewalls
from forgetting idle connections; some forget after 60 s. redis-py: 30, 5, 3."""

HEALTH_CHECK_S: Final = 15.0
"""A connection that was not used for so long answers a PING before it is used, so that a peer which is gone without a
word costs a reconnection and not an error (one that has closed the connection is noticed without). Longer than the
2 s after which an idle worker looks again, so that it never pays for it. redis-py: off."""

PUSH_CHECK_S: Final = 4.0
"""The connection for pushed messages is silent for hours where all is well: after so long it is asked, and after as
long without an answer given up. A half-open one is thus replaced within 8 s; the promise is 10 s."""

POOL_SIZE: Final = 4
"""How many connections the calls of one event loop share; more calls queue for them. A worker's take, finish and beat
need three at a time. redis-py: 100, then an error. A thread has one."""

BACKLOG: Final = 1_000
"""How many pushed messages wait for one listener. When there are more they are dropped, and the listener is told to
look for itself."""

CLIENT_NAME: Final = "qtasks"
"""What `CLIENT LIST` shows."""

READ_BYTES: Final = 65_536
"""How much is read from a connection at once."""
