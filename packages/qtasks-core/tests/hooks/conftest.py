"""What the tests of hooks share: a registry, and a way to call its hooks and wait for what they answer."""

import asyncio

import pytest
from qtasks.hooks import SPECS, HookRegistry


async def guard(awaitable, seconds):
    async with asyncio.timeout(seconds):
        return await awaitable


@pytest.fixture
def registry():
    return HookRegistry(guard)


@pytest.fixture
def call(registry):
    """Call a hook of the registry; a keyword that is not given has its own name as value."""

    def call(hook, **given):
        keywords = {param: given.get(param, param) for param in SPECS[hook].params}
        return asyncio.run(getattr(registry.dispatch, hook)(**keywords))

    return call
