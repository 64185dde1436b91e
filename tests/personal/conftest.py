"""A real HTCondor, installed once per test session, and pools that leave nothing behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from condor_futures.errors import InstallError
from condor_futures.personal import PersonalPool, find_htcondor, install
from condor_futures.personal.processes import pool_processes, wait_for


@pytest.fixture(scope="session")
def data_home():
    """An ``XDG_DATA_HOME`` in which HTCondor was really installed."""
    # pytest's directories allow only their owner to enter. Root's daemons run as another user.
    path = Path(tempfile.mkdtemp(prefix="condor-futures-data-"))
    path.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(path))
        try:
            install()
        except InstallError as error:
            shutil.rmtree(path)
            pytest.skip(f"HTCondor cannot be installed here: {error}")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def release(request):
    """An HTCondor to run: the machine's own, or a new installation."""
    return find_htcondor() or find_htcondor({"PATH": "", "XDG_DATA_HOME": str(request.getfixturevalue("data_home"))})


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
