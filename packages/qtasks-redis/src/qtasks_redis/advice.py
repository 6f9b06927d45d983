"""What people should know of a server: what it may lose."""

from __future__ import annotations

from qtasks.ports import Advice


def read_info(text: bytes) -> dict[str, str]:
    """The fields that INFO answered."""
    lines = (line.partition(":") for line in text.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def advise(info: dict[str, str]) -> list[Advice]:
    """Judge a server by the fields of INFO.

    Source: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/ and .../reference/eviction/
    """
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version") or info.get("redis_version", "of unknown version")
    appendonly = info.get("aof_enabled") == "1"
    policy, limited = info.get("maxmemory_policy", "noeviction"), info.get("maxmemory", "0") != "0"
    found = f"{name} {version}, appendonly {'on' if appendonly else 'off'}, maxmemory-policy {policy}"
    advice = [Advice("ok", found)]
    if not appendonly:
        advice.append(
            Advice(
                "warning",
                "appendonly is off: what was accepted since the last snapshot is lost when the server dies",
                "Set `appendonly yes` in its configuration, or: redis-cli CONFIG SET appendonly yes",
            )
        )
    if limited and policy != "noeviction":
        lost = "results" if policy.startswith("volatile") else "tasks and results"
        advice.append(
            Advice(
                "warning",
                f"maxmemory-policy is {policy}: {lost} are dropped when its memory is full",
                "Set `maxmemory-policy noeviction`, or: redis-cli CONFIG SET maxmemory-policy noeviction",
            )
        )
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("rdb_last_bgsave_status", "ok") != "ok":
        advice.append(
            Advice("problem", "it cannot write to its disk, and refuses new tasks", "Look at its log and its disk.")
        )
    if info.get("role") == "slave":
        advice.append(Advice("problem", "it is a replica: it cannot be written", "Name the master, or use sentinels."))
    return advice
