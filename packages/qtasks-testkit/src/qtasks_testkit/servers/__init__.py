"""Real servers for tests, made from the binaries of this machine. Nothing here pretends to be one."""

from qtasks_testkit.servers.redis import RedisServer
from qtasks_testkit.servers.server import GivenServer, Server, ServerError

__all__ = ["GivenServer", "RedisServer", "Server", "ServerError"]
