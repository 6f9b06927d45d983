"""What the servers and files behind an application may lose: for `qtasks doctor` and the banner of `qtasks run`."""

from __future__ import annotations

from qtasks.ports import Advice
from qtasks.runtime import Link


async def advise(link: Link) -> list[tuple[str, Advice]]:
    """What broker and storage say of them, with the URL of each."""
    components = [link.storage] if link.shared else [link.broker, link.storage]
    return [(component.url, advice) for component in components for advice in await component.advise()]
