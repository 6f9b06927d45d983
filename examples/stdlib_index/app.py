"""The tasks of the demonstration: find Python sources, and tell what is in each of them.

Any process that can import this module adds these tasks and reads their results; `run.py` does so.
"""

import hashlib
import keyword
import os
import tokenize
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qtasks.asyncio import QueueTasks

app = QueueTasks("stdlib_index")

NOT_THE_LIBRARY = {"site-packages", "dist-packages"}
TOP = 5


@dataclass(frozen=True)
class Facts:
    """What is in one file. Results travel as JSON; the annotations of the tasks below make this of it again."""

    path: str
    sha256: str
    size: int
    lines: int
    top_names: list[tuple[str, int]]


def describe(path: str) -> Facts:
    """Read one file: its hash, its length, and the names that are used most. A plain function; no queue is involved."""
    content = Path(path).read_bytes()
    with tokenize.open(path) as source:
        tokens = tokenize.generate_tokens(source.readline)
        names = Counter(token.string for token in tokens if token.type == tokenize.NAME)
    for word in keyword.kwlist:
        del names[word]
    return Facts(path, hashlib.sha256(content).hexdigest(), len(content), content.count(b"\n"), names.most_common(TOP))


@app.task
async def describe_small(path: str) -> Facts:
    """Run on the event loop of a worker: right for what waits a lot, or is over in milliseconds."""
    return describe(path)


@app.task
def describe_large(path: str) -> Facts:
    """Run in a thread of a worker: right for what takes its time, so that the event loop goes on meanwhile."""
    return describe(path)


@app.task
def survey(root: str) -> Generator[dict[str, Any], None, int]:
    """Find the sources below a directory. What is yielded can be read elsewhere while the search goes on."""
    found = 0
    for directory, inside, names in os.walk(root):
        inside[:] = sorted(set(inside) - NOT_THE_LIBRARY)
        sources = [Path(directory, name) for name in sorted(names) if name.endswith(".py")]
        if sources:
            found += len(sources)
            yield {"directory": directory, "sizes": {str(source): source.stat().st_size for source in sources}}
    return found  # the result; without a return it would be the list of what was yielded
