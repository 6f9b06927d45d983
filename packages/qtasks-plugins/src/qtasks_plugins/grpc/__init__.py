"""The gRPC gateway: programs in other languages add tasks and read their results."""

from qtasks_plugins.grpc.plugin import AsyncgRPCPlugin, SyncgRPCPlugin

__all__ = ["AsyncgRPCPlugin", "SyncgRPCPlugin"]
