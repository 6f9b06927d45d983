"""Where the database is: URLs, the default place, and who may read it."""

import os
import stat
from pathlib import Path

import pytest
from qtasks.backends.sqlite.broker import SqliteBroker
from qtasks.backends.sqlite.location import Location, default_path
from qtasks.errors import BackendUnavailableError, ConfigError
from qtasks.ports import BackendContext
from sqlite.support import drive

needs_modes = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX")


def mode(path):
    return stat.S_IMODE(Path(path).stat().st_mode)


@pytest.mark.parametrize("marker", [".qtasks", "pyproject.toml"])
def test_default_is_in_the_nearest_project(tmp_path, monkeypatch, marker):
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    below = inner / "a" / "b"
    below.mkdir(parents=True)
    (outer / "pyproject.toml").touch()
    (inner / marker).mkdir() if marker == ".qtasks" else (inner / marker).touch()
    monkeypatch.chdir(below)
    assert default_path() == inner / ".qtasks" / "qtasks.db"


def test_default_is_in_the_working_directory_without_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = next((p for p in tmp_path.parents if (p / ".qtasks").is_dir() or (p / "pyproject.toml").is_file()), None)
    assert default_path() == (project or tmp_path) / ".qtasks" / "qtasks.db"


@needs_modes
def test_files_of_the_default_place_are_the_owners_alone(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    broker = SqliteBroker.from_url("sqlite://", BackendContext()).blocking()
    drive(broker.open())
    drive(broker.set_paused("default", paused=False))
    try:
        assert mode(".qtasks") == 0o700
        assert Path(".qtasks/.gitignore").read_text() == "*\n"
        files = ["qtasks.db", "qtasks.db-wal", "qtasks.db-shm"]
        assert [mode(f".qtasks/{name}") for name in files] == [0o600] * 3
    finally:
        drive(broker.close())


def test_making_a_component_creates_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SqliteBroker.from_url("sqlite://", BackendContext())
    SqliteBroker.from_url("sqlite:///x.db", BackendContext())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////tmp/a.db", "/tmp/a.db"),
        ("sqlite:///a%20b/%3Fc.db?mode=ro", "{cwd}/a b/?c.db"),
        ("sqlite:///a.db", "{cwd}/a.db"),
    ],
)
def test_url_gives_the_absolute_path(url, path):
    assert Location.from_url(url).path == path.format(cwd=Path.cwd())


@pytest.mark.parametrize("url", ["sqlite:///a%20b.db?mode=ro&max_pages=7", "sqlite:////x/y.db?durability=full"])
def test_url_with_the_absolute_path_means_the_same(url):
    location = Location.from_url(url)
    assert Location.from_url(location.url) == location


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("sqlite:///a.db?durabilty=full", "Did you mean 'durability'?"),
        ("sqlite:///a.db?colour=red", "Known are durability, mode, max_pages."),
        ("sqlite:///a.db?durability=half", "Write durability=normal|full."),
        ("sqlite:///a.db?max_pages=-1", "Write max_pages="),
        ("sqlite:///a.db?mode=", "Write mode=rw|ro."),
        ("sqlite://a.db", "Write sqlite:///relative/path.db"),
        ("sqlite:a.db", "Write sqlite:///relative/path.db"),
        ("sqlite:///:memory:", "Write sqlite:///relative/path.db"),
        ("sqlite:///a.db#part", "Write sqlite:///relative/path.db"),
    ],
)
def test_url_that_is_not_understood_is_refused_with_the_mend(url, hint):
    with pytest.raises(ConfigError) as caught:
        Location.from_url(url)
    assert hint in caught.value.hint


def test_missing_directory_is_named(tmp_path):
    broker = SqliteBroker.from_url(f"sqlite:///{tmp_path}/no/such/q.db", BackendContext()).blocking()
    with pytest.raises(BackendUnavailableError, match="No such file or directory") as caught:
        drive(broker.open())
    assert str(tmp_path / "no" / "such") in caught.value.hint
