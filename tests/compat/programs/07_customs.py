"""Customs: a plugin of one method that changes tasks at every place where that is allowed.

Worker: qtasks -A program:app run -p 2
"""

import os
from uuid import UUID, uuid5

from qtasks import QueueTasks
from qtasks.plugins import BasePlugin
from qtasks.schemas.argmeta import ArgMeta

app = QueueTasks("customs", os.environ["QTASKS_URL"])

OFFICE = UUID("3a4fe10c-5ad7-4b56-9d5c-7a9b0f1c2d3e")


class Customs(BasePlugin):
    """Stamps what passes: each place adds its letter to the last argument, or to the result."""

    def __init__(self):
        super().__init__(name="customs")
        self.desks = {
            "qtasks_add_task_before_broker": self.declare,
            "storage_add": self.number,
            "broker_add_worker": self.stamp("a"),
            "storage_add_process": self.look_into,
            "worker_add": self.stamp("c"),
            "worker_run_task_before": self.same("task_func", "task_broker"),
            "task_executor_args_replace": self.weigh,
            "task_executor_run_task": lambda result, **_: {"result": [result]},
            "task_executor_run_task_gen": lambda results, **_: {"results": [*results, "end"]},
            "task_executor_run_task_trigger_error": lambda e, **_: {"result": f"lost: {e}"},
            "task_executor_after_execute_result_replace": lambda result, **_: {"result": (result, "checked")},
            "task_executor_decode": lambda result, **_: {"result": list(result)},
        }
        for name, key in {
            "qtasks_get": "task",
            "broker_get": "task",
            "broker_add_before": "model",
            "broker_update": "kw",
            "broker_remove_finished_task": "model",
            "storage_get": "result",
            "storage_get_all": "results",
            "storage_update": "kw",
            "worker_execute_before": "model",
            "global_config_get_all": "get",
            "global_config_get_match": "get",
        }.items():
            self.desks[name] = self.same(key)

    def trigger(self, name: str, **kwargs):
        desk = self.desks.get(name)
        return desk(**kwargs) if desk else None

    def declare(self, qtasks, broker, task_name, priority, args, kw):
        assert qtasks.broker is broker
        if task_name == "bag":
            return {"task_name": "parcel", "args": [*args, ""], "kw": {**kw, "by": "air"}, "extra": {"desk": 7}}
        return {"priority": 9} if priority == 0 else None

    def number(self, storage, uuid, task_status):
        assert (storage, task_status) == (app.storage, "new")
        return {"uuid": uuid5(OFFICE, str(uuid))}

    def stamp(self, letter):
        def stamp(worker, task_name, uuid, args, **_):
            return {"args": [*args[:-1], args[-1] + letter]} if task_name == "parcel" else None

        return stamp

    def look_into(self, storage, task_data, priority):
        if task_data["task_name"] != "parcel":
            return None
        stamped = self.stamp("b")(worker=None, **task_data)
        return {"task_data": {**task_data, **stamped}, "priority": priority}

    def weigh(self, task_executor, args, kw, args_info: list[ArgMeta]):
        names = [argument.name for argument in args_info]
        return {"args": [*args[:-1], args[-1] + "d"], "kw": kw} if "stamps" in names else None

    @staticmethod
    def same(*keys):
        return lambda **kwargs: {key: kwargs[key] for key in keys}


class Settings(BasePlugin):
    """Keeps the settings of this office apart."""

    async def trigger(self, name: str, **kwargs):
        if name == "global_config_set":
            return {"name": f"{kwargs['name_']}.north", "key": kwargs["key"], "value": kwargs["value"]}
        return {"get": kwargs["get"] or "closed"}


app.add_plugin(Customs())
app.add_plugin(Settings(), trigger_names=["global_config_set", "global_config_get"], component="global_config")


@app.task
def parcel(what: str, stamps: str, by: str = "sea"):
    return f"{what} by {by}, stamped {stamps}"


@app.task
def letters(count: int):
    yield from range(count)


@app.task
def lost():
    raise LookupError("nowhere")


@app.task(echo=True)
async def opening_hours(self):
    settings = self.ctx.get_component("global_config")
    await settings.set("office", "hours", "9-17")
    return [await settings.get(name, "hours") for name in ("office", "office.north")]


if __name__ == "__main__":
    task = app.add_task("bag", "books")
    assert (task.task_name, task.desk, task.extra) == ("parcel", 7, {"desk": 7})
    assert task.uuid.version == 5
    done = task.wait_result(timeout=30.0)
    assert done.returning == [["books by air, stamped abcd"], "checked"], done.traceback
    assert app.get(task.uuid).desk == 7
    assert letters.add_task(2).priority == 9
    assert letters.add_task(2, timeout=30.0).returning == [[0, 1, "end"], "checked"]
    assert lost.add_task(timeout=30.0).returning == ["lost: nowhere", "checked"]
    assert opening_hours.add_task(timeout=30.0).returning == [[["closed", "9-17"]], "checked"]
