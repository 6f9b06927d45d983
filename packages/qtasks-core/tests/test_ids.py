import os
import threading
import time
import uuid

import pytest
from qtasks.message import AHEAD, new_id, new_ids


@pytest.mark.parametrize("make", [lambda count: [new_id() for _ in range(count)], new_ids], ids=["singly", "together"])
def test_ids_are_uuids_of_version_7_of_now_and_all_differ(make):
    before = time.time_ns() // 1_000_000
    ids = make(3 * AHEAD)
    assert len(set(ids)) == 3 * AHEAD
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
    assert len({text for ids in made for text in ids}) == 8 * 5000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_makes_other_ids():
    new_id()  # from here on some are prepared
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id()[13:] for _ in range(AHEAD)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    theirs = {text[at : at + 19] for at in range(0, len(text), 19)}
    assert len(theirs) == AHEAD
    assert theirs.isdisjoint(new_id()[13:] for _ in range(AHEAD))
