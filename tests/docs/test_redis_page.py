"""The page about Redis: its blocks run on a server, with the rights that it tells to give; its tables are complete."""

import re
import shlex
from pathlib import Path

import code_blocks
import pytest
import redis
from qtasks import QueueConfig, QueueTasks
from qtasks.errors import BackendError
from qtasks_redis import location, plugin, settings
from qtasks_redis.advice import advise
from qtasks_redis.component import LAYOUT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/redis.md").read_text(encoding="utf-8")
SOURCES = ROOT / "packages/qtasks-redis/src/qtasks_redis"
SCRIPTS = "".join(path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("lua/*.lua")))

READERS_URL = "redis://localhost:6379/0"


def section(heading):
    """What stands under a heading of the page."""
    [found] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def rows(text):
    """The first cell of the rows of a table, and the rest."""
    return re.findall(r"^\| `([^`]+)` \| (.*) \|$", text, re.MULTILINE)


def test_the_blocks_of_the_page_run_for_a_user_with_the_rights_it_tells(new_redis_server):
    server = new_redis_server(appendonly=True)
    [rights] = re.findall("^ACL SETUSER .*$", PAGE, re.MULTILINE)
    with redis.Redis.from_url(server.url) as client:
        assert client.execute_command(*shlex.split(rights))
        assert client.execute_command("ACL", "SETUSER", "default", "off")
    user, password = re.findall(r"SETUSER (\S+) on >(\S+)", rights)[0]
    url = server.url.replace("redis://", f"redis://{user}:{password}@")
    assert PAGE.count(READERS_URL) >= 3
    code_blocks.run_page(PAGE.replace(READERS_URL, url), "docs/how-to/redis.md")


def test_durability_wait_refuses_a_server_that_cannot_confirm(new_redis_server):
    app = QueueTasks(broker_url=f"{new_redis_server().url}?durability=wait", config=QueueConfig(call_timeout=1))
    with pytest.raises(BackendError, match=r"confirm|appendonly"):
        app.add_task("anything")


def test_the_page_names_every_scheme_and_parameter():
    assert set(re.findall(r"`([a-z+]+)://", section("URLs"))) == set(plugin.SCHEMES)
    told = {name for name, _ in rows(section("URLs")) if "/" not in name}
    assert told == {"durability", "db", *location._TLS_FILES}


def test_the_page_names_every_command_that_the_scripts_and_the_transport_send():
    in_scripts = set(re.findall(r"(?:redis\.p?call\(|spread(?:\(|, ))'([A-Z]+)'", SCRIPTS))
    [told] = re.findall(r"^\| scripts \| `EVALSHA`, `SCRIPT LOAD`; within them (.*) \|$", PAGE, re.MULTILINE)
    assert re.findall("[A-Z]+", told) == sorted(in_scripts)

    python = "".join(path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.py")))
    sent = set(re.findall(r'(?:\.command\(|[(\[]\(|(?:=|return) \(|question = |_look_up\()"([A-Z]+)"', python))
    assert {"PING", "EVALSHA", "SUBSCRIBE", "WAITAOF", "INFO"} <= sent
    assert sent <= set(re.findall("[A-Z]+", section("Users and their rights")))


def test_the_page_names_every_key():
    keys = set(re.findall(r"P \.\. '([a-z-]+)", SCRIPTS))
    assert {name.partition(":")[0] for name, _ in rows(section("Keys and their bounds"))} == keys
    assert f"the version of this layout, {LAYOUT}" in PAGE


def test_the_page_tells_the_values_of_all_settings():
    told = {name: rest.split(" | ")[0] for name, rest in rows(section("Our client settings"))}
    numbers = {name: {float(number) for number in re.findall(r"[\d.]+", value)} for name, value in told.items()}
    kept = {name: value for name, value in vars(settings).items() if name.isupper()}
    assert set(told) == set(kept)
    for name, value in kept.items():
        if name == "CLIENT_NAME":
            assert told[name] == f"`{value}`"
        elif name in told:
            values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            assert numbers[name] == set(values), name


def test_the_page_shows_the_warnings_as_they_are():
    info = {"aof_enabled": "0", "maxmemory": "1", "maxmemory_policy": "allkeys-lru"}
    for warning in advise(info)[1:]:
        assert warning.found in PAGE
        assert f"-> {warning.mend}" in PAGE
