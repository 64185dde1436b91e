"""A real HTCondor for the tests: installed if there is none, one personal pool for the whole session."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Pool

from condor_futures import CondorExecutor
from condor_futures.personal import HTCondorRelease, PersonalPool, find_htcondor, install


def pytest_configure() -> None:
    """Where a shell without job control runs the tests in the background, they and their children ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def release() -> HTCondorRelease:
    """The HTCondor of this machine, or one that is installed for this user now."""
    return find_htcondor() or install(lambda step, share: None)


@pytest.fixture(scope="session")
def pool(release: HTCondorRelease) -> Iterator[Pool]:
    """The personal pool that `access_point="personal"` means, in a state directory of the session's own."""
    # Not below pytest's own tmp_path: an ordinary user's job must be able to reach it, and its name is long.
    state = Path(tempfile.mkdtemp(prefix="condor-futures-tests-"))
    before = os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(state)
    personal = PersonalPool(slots=8, release=release)
    try:
        personal.start()
        yield Pool(personal)
    finally:
        personal.stop()
        if before is None:
            del os.environ["XDG_STATE_HOME"]
        else:
            os.environ["XDG_STATE_HOME"] = before
        shutil.rmtree(state)


@pytest.fixture(scope="session")
def executor(pool: Pool) -> Iterator[CondorExecutor]:
    """One executor for all tests that leave it as they found it."""
    with CondorExecutor(access_point="personal") as executor:
        yield executor
    assert pool.queue(executor) == []


@pytest.fixture
def new_executor(pool: Pool) -> Iterator[Callable[..., CondorExecutor]]:
    """Makes executors of a test's own; they are shut down after it, and must leave nothing behind."""
    made: list[CondorExecutor] = []

    def make(**options: Any) -> CondorExecutor:
        made.append(CondorExecutor(access_point="personal", **options))
        return made[-1]

    yield make
    for executor in made:
        executor.shutdown()
        assert pool.queue(executor) == []
