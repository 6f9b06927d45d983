"""`AsyncStats` and `SyncStats`: both faces of one look at an application, and what they answer with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from qtasks.app.application import Application, task_id
from qtasks.errors import ConfigError
from qtasks.runtime import Link
from qtasks.stats.render import as_json, pairs, printable, table
from qtasks.stats.sections import Facts, read_section
from qtasks.stats.snapshot import Snapshot, look


class InspectStats:
    """The facts of one moment, as tables for people or as JSON.

    Every method takes `json`: True answers with JSON, whose fields `qtasks.stats.facts` explains.

    Args:
        snapshot: the same facts as typed values.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def app(self, json: bool = False) -> str:
        """The application as a whole."""
        facts = self.snapshot.about_app()
        return as_json(facts) if json else pairs(facts)

    def task(self, name: str, json: bool = False) -> str:
        """One task name with its counts and options; or, by an id that `inspect` was given, one task's timeline.

        Raises:
            TaskNotRegisteredError: the name is neither registered here nor did it ever run; or the task is
                unknown or no longer kept.
            ConfigError: `inspect` was not given this id.
        """
        if (wanted := as_task_id(name)) is not None:
            return self._timeline(wanted, json)
        [facts] = self.snapshot.about_tasks(name)
        return as_json(facts) if json else pairs(facts)

    def _timeline(self, wanted: str, json: bool) -> str:
        if wanted not in self.snapshot.tasks:
            raise ConfigError(f"Task {wanted} was not looked at.", f'Ask for it: inspect("{wanted}").')
        facts = self.snapshot.about_task(wanted)
        attempts = table(facts.attempts, "run worker started took_s outcome error", "")
        parts = [pairs(facts, without=("attempts", "traceback")), attempts, printable(facts.traceback.rstrip())]
        return as_json(facts) if json else "\n\n".join(filter(None, parts))

    def tasks(self, *names: str, json: bool = False) -> str:
        """The counts of these task names; of all without one.

        Raises:
            TaskNotRegisteredError: a name is neither registered here nor did it ever run.
        """
        counted = "name runs success_rate failures retries crashes"
        timed = "wait_p50_s wait_p95_s wait_p99_s run_p50_s run_p95_s run_p99_s"
        empty = "No task is registered here, and none ever ran."
        return _list(self.snapshot.about_tasks(*names), f"{counted} {timed} last_error", empty, json)

    def queues(self, json: bool = False) -> str:
        """Every queue that was ever used."""
        columns = "name ready delayed running dead oldest_s paused consumers enqueued finished in_per_s out_per_s"
        return _list(self.snapshot.about_queues(), columns, "No queue was used yet.", json)

    def workers(self, json: bool = False) -> str:
        """Every worker process that beats, and what it runs."""
        facts = self.snapshot.about_workers()
        columns = "name host pid version queues uptime_s beat_age_s slots free rss_bytes cpu_s lag_s refused"
        told = _list(facts, columns, "No worker is running.", json)
        running = table([run for worker in facts for run in worker.running], "id task elapsed_s", "")
        return f"{told}\n\n{running}" if running and not json else told

    def plugins(self, json: bool = False) -> str:
        """Every plugin of this process: loaded, left out, or failed."""
        return plugins_list(self.snapshot.app.plugins, json)

    def dlq(self, json: bool = False) -> str:
        """The dead letters that were not replayed, by what they died of."""
        columns = "group count task error first last newest"
        return _list(self.snapshot.about_dead_letters(), columns, "No dead letters.", json)


class Stats:
    """What both faces share.

    Args:
        app: whose facts are wanted.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        self._before: Snapshot | None = None

    async def _inspect(self, link: Link, task_ids: tuple[UUID | str, ...]) -> InspectStats:
        hooks = self.app.hooks.dispatch
        if hooks.stats_inspect is not None:
            await hooks.stats_inspect(stats=self)
        self._before = await look(self.app, link, [task_id(each) for each in task_ids], self._before)
        return InspectStats(self._before)


class SyncStats(Stats):
    """The blocking face."""

    def inspect(self, *task_ids: UUID | str) -> InspectStats:
        """Look at everything, once. A second look by the same object also tells the rates since the first.

        Args:
            task_ids: the tasks whose timelines are wanted.

        Raises:
            BackendError: the broker or the storage does not answer.
            ConfigError: one of them is not the id of a task.
        """
        return self.app.runtime.run_blocking(lambda link: self._inspect(link, task_ids), "stats")

    def section(self, name: str, *names: str) -> Facts:
        """Ask a section that a plugin brings for its facts.

        Args:
            name: of the section.
            names: what it shall tell of; the section knows what they mean.

        Returns:
            a dict, or a list of dicts, of JSON values.

        Raises:
            BackendError: the broker or the storage does not answer.
            ConfigError: there is no such section.
            PluginError: it failed, or what it told is no facts.
        """
        return self.app.runtime.run_blocking(lambda link: read_section(self.app, link, name, names), "stats")


class AsyncStats(Stats):
    """The awaitable face; see `SyncStats` for arguments and errors."""

    async def inspect(self, *task_ids: UUID | str) -> InspectStats:
        """Like `SyncStats.inspect`, awaited."""
        return await self.app.runtime.run_async(lambda link: self._inspect(link, task_ids))

    async def section(self, name: str, *names: str) -> Facts:
        """Like `SyncStats.section`, awaited."""
        return await self.app.runtime.run_async(lambda link: read_section(self.app, link, name, names))


def as_task_id(text: str) -> str | None:
    """A text as the id of a task, 32 hexadecimal digits; None when it is none."""
    try:
        return task_id(text)
    except ConfigError:
        return None


def plugins_list(plugins: Sequence[Any], json: bool) -> str:
    """Plugins as a table, with the reasons of those that are not loaded below it, or as JSON."""
    columns = "name distribution version state failures muted hooks origin"
    reasons = [f"{plugin.name} is {plugin.state}: {plugin.reason}" for plugin in plugins if plugin.reason and not json]
    return "\n\n".join([_list(plugins, columns, "No plugin is installed.", json), *reasons])


def _list(facts: Sequence[Any], columns: str, empty: str, json: bool) -> str:
    return as_json(facts) if json else table(facts, columns, empty)
