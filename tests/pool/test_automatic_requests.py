"""Jobs request what jobs like them used, on a pool."""

from __future__ import annotations

import pytest

from condor_futures.calls.usages import SUPERVISOR
from condor_futures.watching import learner

pytestmark = pytest.mark.pool

MiB = 1 << 20


def use(mebibytes):
    return len(bytearray(mebibytes << 20))


def test_a_sweep_of_calls_that_need_different_amounts(new_executor, tmp_path, monkeypatch):
    """No call fails. Idle jobs are edited, and later ones request the need with a margin, also of disk."""
    monkeypatch.setattr(learner, "FIRST", 2)  # fewer jobs for the same
    learned = {"request_memory": "auto", "request_disk": "auto", "memory_max": "1GB"}
    executor = new_executor(session=tmp_path / "session", spool=False, request_cpus=4, **learned)
    amounts = [200, 30, 70, 115, 60, 160, 90, 180]  # in a pool with room for two of them
    assert list(executor.map(use, amounts)) == [amount * MiB for amount in amounts]
    need = max(row["memory"] for row in executor.usage()) + SUPERVISOR
    assert executor.submit(use, 200).result() == 200 * MiB
    executor.shutdown()  # so that the log is complete
    *of_sweep, later = executor.usage()
    assert len({row["job_id"].split(".")[0] for row in of_sweep}) == 1  # they were submitted with one request
    requested = [row["requested_memory"] for row in sorted(of_sweep, key=lambda row: row["started"])]
    assert requested[:2] == [128 * MiB] * 2  # the default of the pool
    assert need < requested[-1] <= 1.3 * need
    assert need < later["requested_memory"] <= 1.3 * need
    assert later["job_disk"] <= later["requested_disk"] <= 1.5 * max(row["job_disk"] for row in of_sweep)
