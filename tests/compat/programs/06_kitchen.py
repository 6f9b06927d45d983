"""A kitchen: executors of a task's own, and middlewares of tasks and of the application.

Worker: qtasks -A program:app run -p 2
"""

import os

from qtasks import QueueTasks
from qtasks.executors import AsyncTaskExecutor, SyncTaskExecutor
from qtasks.executors.base import BaseTaskExecutor
from qtasks.middlewares import TaskMiddleware
from qtasks.middlewares.base import BaseMiddleware
from qtasks.middlewares.task import TaskMiddleware as SameTaskMiddleware

app = QueueTasks("kitchen", os.environ["QTASKS_URL"])


class WashHands(TaskMiddleware):
    """Of every task."""

    async def __call__(self):
        self.task_executor.steps = ["hands"]


class Clean(TaskMiddleware):
    """Of every task, when its function has ended."""

    async def __call__(self):
        self.task_executor.result = [*self.task_executor.result, "clean"]


class Heat(TaskMiddleware):
    """Of some tasks."""

    def __call__(self):
        self.task_executor.steps.append(f"heat for {self.task_executor.task_func.name}")


class Garnish(BaseMiddleware):
    """Of some tasks, when their function has ended."""

    def __call__(self):
        self.task_executor.result = [*self.task_executor.steps, self.task_executor.result, "parsley"]


app.add_middleware(WashHands, position="before")
app.add_middleware(Clean, position="after")


@app.task(middlewares_before=[Heat], middlewares_after=[Garnish])
def soup(*things: str):
    return " and ".join(things)


@app.task(middlewares_before=[Heat], middlewares_after=[Garnish])
async def stew(*things: str):
    return " and ".join(things)


class Careful(AsyncTaskExecutor):
    """Tastes, mends what went wrong, and serves on a plate."""

    async def run_task(self):
        return [await super().run_task()]

    async def on_error(self, error):
        return [f"mended: {error}"]

    async def decode(self, result):
        return {"plate": await super().decode(result)}


class Quick(SyncTaskExecutor):
    """The same for blocking tasks."""

    def run_task(self):
        return [super().run_task()]

    def on_error(self, error):
        return [f"mended: {error}"]

    def decode(self, result):
        return {"plate": super().decode(result)}


class Recipe(AsyncTaskExecutor):
    """A pipeline of its own."""

    async def execute(self):
        value = self.args[0]
        for step in (str.strip, str.title, self.task_func.function):
            value = step(value)
        return value


@app.task(executor=Careful)
async def sauce(salt: int):
    if salt > 1:
        raise ValueError("too salty")
    return salt


@app.task(executor=Quick)
def toast(minutes: int):
    if minutes > 3:
        raise ValueError("burnt")
    return minutes


@app.task(executor=Recipe)
def dish(name: str):
    return f"{name} à la maison"


if __name__ == "__main__":
    assert issubclass(Careful, BaseTaskExecutor)
    assert SameTaskMiddleware is TaskMiddleware
    for task in (soup, stew):
        done = task.add_task("leek", "potato", timeout=30.0)
        name = done.task_name
        assert done.returning == ["hands", f"heat for {name}", "leek and potato", "parsley", "clean"], done.traceback
    for task, good, bad, told in [(sauce, 1, 2, "too salty"), (toast, 3, 4, "burnt")]:
        assert task.add_task(good, timeout=30.0).returning == {"plate": [good, "clean"]}
        assert task.add_task(bad, timeout=30.0).returning == {"plate": [f"mended: {told}"]}
    assert dish.add_task("  onion soup ", timeout=30.0).returning == "Onion Soup à la maison"
