"""QTasks and its peers on one Redis, in one run: measures, keeps the figures, and writes the tables and the plots.

    python benchmarks/compare_redis.py [--peers huey,qtasks] [--workloads drain,enqueue] [--tasks 20000] [--rounds 3]
        [--once celery-prefork,rq] [--docs docs/benchmarks]

All take turns in every workload of every round, each on an empty server and in an environment of its own. The figures
go to one JSON file a run; the tables to the screen, and with `--docs` with the plots to a folder of the documentation.
All of it takes about twenty minutes a round, most of which is waiting for the slow ones: `--once` names those that the
first round is enough for. Needed on PATH: redis-server; for ArdiQ, Python 3.12 or newer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from comparison import environments, redis_server, report
from comparison.entrants import BENCHMARKS, Entrant, all_entrants
from comparison.workloads import ONCE, WORKLOADS

BUILD = BENCHMARKS.parent / "build"


def main() -> None:
    """Measure what was asked for and report it."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server and the workers are stopped then, too
    everyone = all_entrants()
    entrants = _chosen({entrant.name: entrant for entrant in everyone}, asked.peers)
    workloads = list(_chosen({name: name for name in WORKLOADS}, asked.workloads).values())
    once = _chosen(entrants, asked.once) if asked.once else {}
    asked.results.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC)
    record: dict[str, Any] = {
        "started": f"{moment:%Y-%m-%d %H:%M} UTC",
        "command": _command(asked),
        "machine": _machine(),
        "tasks": asked.tasks,
        "rounds": asked.rounds,
        "once": sorted(once),
        "entrants": {},
    }
    path = asked.results / f"redis-{moment:%Y%m%d-%H%M%S}.json"
    pythons = {}
    for entrant in entrants.values():
        try:
            pythons[entrant.name] = environments.interpreter_for(entrant, asked.envs)
            record["entrants"][entrant.name] = _about(entrant, pythons[entrant.name])
        except environments.UnavailableError as reason:
            print(f"left out: {reason}", file=sys.stderr)
    with redis_server.running() as url:
        record["redis"] = redis_server.version(url)
        for number, workload in itertools.product(range(asked.rounds), workloads):
            if number and workload in ONCE:
                continue
            for name, python in pythons.items():
                if number and name in once:
                    continue
                request = _request(entrants[name], workload, asked, url, path.with_suffix(".log"))
                figures = _measure(python, request, entrants[name].environment)
                print(f"round {number + 1}: {workload}: {name}: {_short(figures)}", file=sys.stderr)
                record["entrants"][name]["figures"].setdefault(workload, []).append(figures)
            path.write_text(json.dumps(record, indent=1))
    print(report.markdown(record))
    if asked.docs:
        report.write(record, asked.docs)
    print(f"figures: {path}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="names, by commas (default: all; an unknown name prints them)")
    parser.add_argument("--workloads", help="names, by commas (default: all; an unknown name prints them)")
    parser.add_argument("--tasks", type=int, default=20_000, help="most tasks in a drain (default 20,000)")
    parser.add_argument("--seconds", type=float, default=8, help="most for filling, and for draining (default 8)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (default 3)")
    parser.add_argument("--once", help="names, by commas, that are measured in the first round only (default: none)")
    parser.add_argument("--envs", type=Path, default=BUILD / "bench-envs", help="where environments are kept")
    parser.add_argument("--results", type=Path, default=BUILD / "bench-results", help="where the figures go")
    parser.add_argument("--docs", type=Path, help="write index.md and the plots here (default: they are not written)")
    asked = parser.parse_args()
    asked.envs, asked.results = asked.envs.absolute(), asked.results.absolute()
    return asked


def _command(asked: argparse.Namespace) -> str:
    """What measures the same again, wherever environments and figures are kept."""
    options = [
        f"--{name}={value}"
        for name in ("peers", "workloads", "tasks", "seconds", "rounds", "once")
        if (value := getattr(asked, name))
    ]
    return shlex.join(["python", "benchmarks/compare_redis.py", *options])


def _chosen(known: dict[str, Any], names: str | None) -> dict[str, Any]:
    wanted = names.split(",") if names else list(known)
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")
    return {name: known[name] for name in wanted}


def _machine() -> dict[str, Any]:
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    return {"cpu": cpu, "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release().split('-')[0]}"}


def _about(entrant: Entrant, python: Path) -> dict[str, Any]:
    said = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "module": entrant.module,
        "python": said.split()[1],
        "worker": entrant.worker,
        "note": entrant.note,
        "own": not entrant.dependencies,
        "versions": environments.versions(python),
        "figures": {},
    }


def _request(entrant: Entrant, workload: str, asked: argparse.Namespace, url: str, log: Path) -> dict[str, Any]:
    """What `comparison.drive` is asked for: the fields of its `Request`."""
    return {
        "module": entrant.module,
        "worker": entrant.worker,
        "fastest": entrant.drain,
        "workload": workload,
        "tasks": asked.tasks,
        "redis": url,
        "log": str(log),
        "serial": entrant.serial,
        "seconds": asked.seconds,
    }


def _measure(python: Path, request: dict[str, Any], variables: dict[str, str]) -> dict[str, Any] | None:
    """The figures; None where the peer cannot do it; `{"error": ...}` where it failed."""
    environment = os.environ | variables | {"PYTHONPATH": str(BENCHMARKS), "PYTHONWARNINGS": "ignore"}
    command = [str(python), "-m", "comparison.drive", json.dumps(request)]
    pipe, before = subprocess.PIPE, time.monotonic()
    with subprocess.Popen(command, cwd=BENCHMARKS, env=environment, stdout=pipe, stderr=pipe, text=True) as driver:
        try:
            output, errors = driver.communicate()
        except BaseException:
            driver.terminate()  # it stops its workers
            raise
    if driver.returncode:
        return {"error": (errors.strip() or "no message").splitlines()[-1]}
    figures: dict[str, Any] | None = json.loads(output.splitlines()[-1])
    return figures and {**figures, "took_s": round(time.monotonic() - before, 1)}


def _short(figures: dict[str, Any] | None) -> str:
    if figures is None:
        return "cannot"
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()
    )


if __name__ == "__main__":
    main()
