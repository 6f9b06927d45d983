import subprocess
import sys

from qtasks import QueueTasks
from qtasks.ports import BackendContext
from qtasks_redis import plugin
from qtasks_redis.broker import RedisBroker


def test_every_scheme_has_a_broker_a_storage_and_a_global_config():
    for register_all in (plugin.register_brokers, plugin.register_storages, plugin.register_global_configs):
        registered = {}
        register_all(registered.__setitem__)
        assert sorted(registered) == sorted(plugin.SCHEMES)


def test_the_plugin_imports_no_client():
    code = "import sys, qtasks_redis.plugin; print({'redis', 'hiredis', 'asyncio'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"


def test_the_blocking_transport_imports_no_event_loop_of_its_own():
    code = "import sys, qtasks_redis.blocking; print('qtasks_redis.aio' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_a_broker_object_brings_its_siblings_with_its_password_and_namespace():
    broker = RedisBroker.from_url("redis://:secret@localhost:6379/3", BackendContext(namespace="theirs"))
    app = QueueTasks("ours", broker=broker)
    assert app.runtime.link.shared
    assert app.global_config.backend.server is broker.server
