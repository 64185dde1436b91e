"""A real HTCondor, installed once per test session, and pools that leave nothing behind."""

import os
import signal
import subprocess
import sys

import pytest

from condor_futures.personal import PersonalPool, find_htcondor
from condor_futures.personal.processes import pool_processes, wait_for


@pytest.fixture(scope="session")
def release(request):
    """An HTCondor to run: the machine's own, or a new installation."""
    return find_htcondor() or request.getfixturevalue("public_release")


@pytest.fixture
def make_pool(release, tmp_path):
    """Return a function that makes a :class:`PersonalPool` without starting it.

    The fixture stops every pool at the end.
    """
    pools = []

    def make(directory="pool", **options):
        where = None if options.get("temporary") else tmp_path / directory
        pools.append(PersonalPool(where, **{"release": release, "slots": 2, **options}))
        return pools[-1]

    yield make
    for pool in pools:
        pool.stop()
        assert not pool._directory or not pool_processes(pool._directory)


@pytest.fixture
def owner(release):
    """Return a function that runs Python code in another process, with ``release``, until it prints a line."""
    processes = []

    def run(code):
        path = os.pathsep.join([str(release.bin), str(release.sbin), os.environ["PATH"]])
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def kill():
    """Return a function that kills a process by id, and waits until it is gone."""

    def send(pid, number=signal.SIGKILL):
        from condor_futures.personal.processes import Process

        process = Process.of(pid)
        process.send(number)
        assert not wait_for([process], timeout=20)

    return send
