"""The reference pages say everything that there is: commands, options, fields, settings, variables."""

import re
from pathlib import Path

import attrs
import click
import pytest
from qtasks import QueueConfig
from qtasks.cli import main
from qtasks.cli.doctor import Finding
from qtasks.config import RESERVED
from qtasks.hooks import PluginInfo
from qtasks.stats import facts

REFERENCE = Path(__file__).parents[4] / "docs/reference"
FACTS = [value for value in vars(facts).values() if attrs.has(value) and value.__module__ == facts.__name__]


def words(page):
    """What a page shows as code, in tables and in sentences."""
    text = REFERENCE.joinpath(page).read_text(encoding="utf-8")
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([^`\n]+)`", prose))


def commands(command, name=""):
    """All commands below one, by their full names."""
    if isinstance(command, click.Group):
        for sub in command.list_commands(None):
            yield from commands(command.get_command(None, sub), f"{name} {sub}")
    yield name, command


@pytest.mark.parametrize(("name", "command"), [*commands(main)])
def test_every_option_of_a_command_is_in_the_reference(name, command):
    options = {spelling for param in command.params if isinstance(param, click.Option) for spelling in param.opts}
    assert options - {"--version", "--help", "-h"} <= words("cli.md")


@pytest.mark.parametrize("kind", [*FACTS, PluginInfo, Finding])
def test_every_field_of_the_json_is_in_the_reference(kind):
    assert {field.name for field in attrs.fields(kind)} <= words("cli.md")


def test_every_setting_is_in_the_reference():
    assert {field.name for field in attrs.fields(QueueConfig) if field.init} <= words("configuration.md")


def test_every_reserved_variable_for_users_is_in_the_reference():
    for_tests = {"CRASHPOINT", "REQUIRE"}
    assert {f"QTASKS_{name}" for name in RESERVED - for_tests} <= words("configuration.md")
