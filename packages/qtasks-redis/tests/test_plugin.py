import subprocess
import sys

from qtasks_redis import plugin


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
