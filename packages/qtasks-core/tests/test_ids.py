import ctypes
import os
import threading
import time
import uuid

import pytest
from qtasks.message import new_id, new_ids

MANY = 200


@pytest.mark.parametrize("make", [lambda count: [new_id() for _ in range(count)], new_ids], ids=["singly", "together"])
def test_ids_are_uuids_of_version_7_of_now_and_all_differ(make):
    before = time.time_ns() // 1_000_000
    ids = make(MANY)
    assert len(set(ids)) == MANY
    for text in ids:
        found = uuid.UUID(text)
        assert (found.hex, found.version, found.variant) == (text, 7, uuid.RFC_4122)
        assert before <= found.int >> 80 <= time.time_ns() // 1_000_000


def test_threads_get_no_id_twice():
    made = [[] for _ in range(8)]
    threads = [threading.Thread(target=lambda ids=ids: ids.extend(new_id() for _ in range(5000))) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({text[12:] for ids in made for text in ids}) == 8 * 5000  # behind the time


def fork_unseen():
    """Fork as servers written in C do: Python is not told."""
    return ctypes.PyDLL(None).fork()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("fork", [os.fork, fork_unseen])
def test_a_forked_process_makes_other_ids(fork):
    new_id()
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        os.write(writing, "".join(new_id()[13:] for _ in range(MANY)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    theirs = {text[at : at + 19] for at in range(0, len(text), 19)}
    assert len(theirs) == MANY
    assert theirs.isdisjoint(new_id()[13:] for _ in range(MANY))
