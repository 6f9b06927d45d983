"""The blocking and the awaitable face, and the hook that both fire."""

import asyncio

import pytest
from qtasks import Plugin, hookimpl
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.errors import ConfigError
from qtasks.stats import AsyncStats, InspectStats, SyncStats


class Watcher(Plugin):
    """Notes who asked."""

    def __init__(self):
        self.asked = []

    @hookimpl
    def stats_inspect(self, stats):
        self.asked.append(stats)


def test_both_faces_tell_the_same(app):
    async def ask():
        other = AsyncQueueTasks("shop", broker_url=app.broker.url)
        task = await other.add_task("a")
        answer = await AsyncStats(other).inspect(task.id)
        await other.close()
        return task.id, answer

    task_id, answer = asyncio.run(ask())
    blocking = SyncStats(app).inspect(task_id)
    assert isinstance(answer, InspectStats)
    assert answer.task(task_id, json=True) == blocking.task(task_id, json=True)
    assert answer.app() == blocking.app()


def test_the_hook_fires_before_anything_is_read(app):
    watcher = Watcher()
    app.add_plugin(watcher)
    stats = SyncStats(app)
    stats.inspect()
    assert watcher.asked == [stats]


def test_every_aspect_is_text_and_json(app):
    answer = SyncStats(app).inspect()
    for aspect in (answer.app, answer.tasks, answer.queues, answer.workers, answer.plugins, answer.dlq):
        assert aspect() == aspect(json=False)
        assert aspect(json=True)[0] in "[{"


def test_what_is_no_id_is_refused(app):
    with pytest.raises(ConfigError, match="not the id of a task"):
        SyncStats(app).inspect("charge")


def test_a_look_remembers_one_look_before_and_no_more(app):
    stats = SyncStats(app)
    for _ in range(3):
        answer = stats.inspect()
    assert answer.snapshot.before.before is None
