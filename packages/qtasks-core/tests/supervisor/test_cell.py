"""The memory that a worker and its supervisor share."""

import tempfile
import time

from qtasks.supervisor.lifeline import shared_cell
from qtasks.worker.lease import CELL_BYTES, Lease


def test_both_processes_see_what_either_writes():
    with tempfile.TemporaryFile() as file:
        file.truncate(CELL_BYTES)
        parents, childs = shared_cell(file.fileno()), shared_cell(file.fileno())
    parents.confirm(5, 1)
    childs.step()
    assert childs.confirmed_ns(1) == 5
    assert parents.steps == 1


def test_a_confirmation_is_of_one_incarnation_only():
    lease = Lease(0.3)
    lease.renew()
    lease.cell.confirm(time.monotonic_ns() + 10**12, lease.number)
    assert lease.held()
    lease.renew()
    assert lease.cell.confirmed_ns(lease.number) == 0
