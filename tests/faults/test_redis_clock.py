"""A server of Redis whose own clock jumps under the workers, by which leases, delays and results are judged."""

import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest
import redis
from qtasks_testkit.faults import Fleet, WorkerDeaths, until
from qtasks_testkit.servers import RedisServer

pytestmark = pytest.mark.needs("redis")

TASKS, IN_HAND = 300, 40
"""Two processes of ten slots, and as many short tasks that were prefetched."""

LEASE_S = 2

SHIFTED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

static long long *offset_s;

__attribute__((constructor)) static void map_offset(void) {
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    offset_s = mmap(NULL, sizeof(*offset_s), PROT_READ, MAP_SHARED, file, 0);
}

int gettimeofday(struct timeval *time, void *zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = real(time, zone);
    if (offset_s) time->tv_sec += *offset_s;
    return failed;
}
"""
"""What is loaded into the server: its time of day is the machine's and the seconds in a file, which the test writes."""


class ShiftedServer(RedisServer):
    """One whose clock is set by the test."""

    def __init__(self, directory, **options):
        super().__init__(directory, **options)
        compiler = shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            pytest.skip("the clock of a server is moved with a C compiler, on Linux")
        self._offset = directory / "offset"
        self._library = directory / "shifted.so"
        self.jump(0)
        (directory / "shifted.c").write_text(SHIFTED)
        command = [compiler, "-shared", "-fPIC", "-o", str(self._library), str(directory / "shifted.c"), "-ldl"]
        subprocess.run(command, check=True)

    def jump(self, seconds):
        """Be so far from the machine's clock from now on."""
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))

    @property
    def command(self):
        return ["env", f"LD_PRELOAD={self._library}", f"CLOCK_OFFSET={self._offset}", *super().command]


class TestServerClock:
    open_fleet, fleet = WorkerDeaths.open_fleet, WorkerDeaths.fleet

    @pytest.fixture
    def server(self, tmp_path):
        with ShiftedServer.or_skip(tmp_path) as server:
            yield server

    @pytest.fixture
    def fleet_url(self, server):
        return server.url

    def jump(self, server, seconds):
        server.jump(seconds)
        with redis.Redis.from_url(server.url) as client:
            assert abs(client.time()[0] - time.time() - seconds) < 60  # the fault is there

    @pytest.mark.timeout(120)
    @pytest.mark.parametrize("seconds", [3600, -3600])
    def test_jump_under_workers_loses_nothing_and_repeats_what_was_in_hand(
        self, fleet: Fleet, server, chance, figure, seconds
    ):
        fleet.run("-p", "2", QTASKS_LEASE=str(LEASE_S))
        before = set(until(lambda: len(found := fleet.children) == 2 and found))
        tasks = fleet.add("nap", *((number, 0.02) for number in range(TASKS)))
        soon = chance.randint(20, 150)
        until(lambda: len(fleet.ledger("end")) >= soon)
        self.jump(server, seconds)
        begun = time.monotonic()
        fleet.settled(TASKS, 20)
        took, repeated = time.monotonic() - begun, fleet.repeated
        fleet.all_done(*tasks)
        assert repeated <= IN_HAND
        assert set(fleet.children) == before
        figure(f"the server's clock jumps by {seconds} s: 0 lost, {repeated} repeated, all done {took:.1f} s after it")

    @pytest.mark.timeout(120)
    def test_tasks_of_the_dead_are_found_by_their_lease_though_the_clock_was_set_back(
        self, fleet: Fleet, server, figure
    ):
        fleet.run("-p", "1", QTASKS_LEASE=str(LEASE_S))
        tasks = fleet.add("nap", *((number, 1.0) for number in range(10)))
        fleet.started(10)
        fleet.signal(signal.SIGKILL, group=True)
        fleet.parent.wait()
        self.jump(server, -3600)
        begun = time.monotonic()
        fleet.run("-p", "1", QTASKS_LEASE=str(LEASE_S))
        fleet.all_done(*tasks)
        took = time.monotonic() - begun
        assert took < LEASE_S + 8  # the start, two beats, and the tasks themselves
        figure(f"kill -9 and a server whose clock is set back by an hour: all done {took:.1f} s later")
