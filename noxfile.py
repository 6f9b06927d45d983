"""The checks of the repository as commands: `nox -l` lists them, `nox` runs the first two.

`nox -s tests -- -k sqlite` hands what stands behind `--` to the tool of the session. Every session has an environment
of its own with the distributions installed as wheels; an interpreter that is not there is left out.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.16"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"
nox.options.sessions = ["lint", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
PACKAGES = sorted(str(path.parent) for path in Path().glob("packages/*/pyproject.toml"))
RESULTS = Path("build/results")

ELSEWHERE = [f"--ignore=tests/{session}" for session in ("authors", "compat", "faults")]
"""What the runs of everything leave to sessions of their own."""

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
PYTHONS = sorted({*SUPPORTED, RUNNING})  # never none: a run that found no interpreter must not pass


def show_pyenv_versions() -> None:
    """Let nox find the interpreters that pyenv has but its `global` does not list: their shims refuse to start."""
    if "PYENV_VERSION" in os.environ or not shutil.which("pyenv"):
        return
    listed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False).stdout.split()
    if versions := [version for version in listed if version.startswith(tuple(f"{python}." for python in PYTHONS))]:
        os.environ["PYENV_VERSION"] = ":".join(versions)


show_pyenv_versions()


def install(session: nox.Session, *groups: str) -> None:
    """Build and install our distributions, and the tools of the given dependency groups."""
    tools = [tool for group in groups for tool in nox.project.dependency_groups(PROJECT, group)]
    session.install("--quiet", *PACKAGES, *tools)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, layers, the generated reference, sizes."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    sources = [str(path) for path in sorted(Path().glob("packages/*/src"))]
    examples = [str(path) for path in sorted(Path().glob("examples/plugins/*/src"))]
    session.run("mypy", *sources, *examples, "tests/typing", "tools", "conftest.py", "noxfile.py")
    session.run("pyright", "tests/typing")
    session.run("lint-imports", env={"PYTHONPATH": os.pathsep.join(sources)})
    session.run("python", "tools/hook_reference.py", "--check")
    session.run("python", "tools/size.py")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests but those of `authors`, `compat` and `faults`, on every supported Python that is found."""
    install(session, "tests")
    results = RESULTS / f"python-{session.python}.xml"
    session.run("pytest", *ELSEWHERE, "-n", "2", "--dist", "worksteal", f"--junitxml={results}", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The same with the oldest dependencies that the distributions admit."""
    install(session, "tests")
    pins = [
        requirement.replace(">=", "==")
        for package in PACKAGES
        for requirement in nox.project.load_toml(f"{package}/pyproject.toml")["project"]["dependencies"]
        if not requirement.startswith("qtasks-")
    ]
    session.install("--quiet", *pins)
    session.run("pytest", *ELSEWHERE, *session.posargs)


@nox.session(venv_backend="none")
def surface(session: nox.Session) -> None:
    """Every line of the surface manifest was proved in the last runs of `tests` and `compat`."""
    session.run(sys.executable, "tools/surface.py", *map(str, sorted(RESULTS.glob("*.xml"))))


@nox.session
def faults(session: nox.Session) -> None:
    """The fault tests: workers killed, stopped and fed with garbage, judged by an external ledger."""
    install(session, "tests")
    session.run("pytest", "tests/faults", *session.posargs)


@nox.session
def compat(session: nox.Session) -> None:
    """Programs as written for QTasks 1.7, and the product page: on every backend, with worker processes."""
    install(session, "tests")
    session.run("pytest", "tests/compat", f"--junitxml={RESULTS / 'compat.xml'}", *session.posargs)


@nox.session
def authors(session: nox.Session) -> None:
    """What authors of plugins are given: scaffolds and examples are built, installed, and pass their own tests."""
    install(session, "tests", "build")
    session.run("pytest", "tests/authors", *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The demonstration: an index of the standard library, made by two worker processes."""
    install(session)
    session.run("python", "examples/stdlib_index/run.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks beside their peers, by default the SQLite rows."""
    install(session, "bench")
    session.run("python", "benchmarks/run.py", *(session.posargs or ["sqlite"]))


@nox.session(name="bench-redis")
def bench_redis(session: nox.Session) -> None:
    """QTasks beside its peers on one Redis, each in an environment of its own; the page goes to docs/benchmarks/."""
    install(session)
    session.install("--quiet", "uvloop", "redis")
    session.run("python", "benchmarks/compare_redis.py", *(session.posargs or ["--docs", "docs/benchmarks"]))


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, strictly, into site/."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "docs"))
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def build(session: nox.Session) -> None:
    """The source distributions and the wheels, into dist/."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "build"))
    for package in PACKAGES:
        session.run("python", "-m", "build", "--outdir", "dist", package)
