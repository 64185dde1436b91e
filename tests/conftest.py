"""A real HTCondor for the tests: installed if the machine has none, with one personal pool for the whole session."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

# This comes before any import of the package. In the tests, each thread may change only what it owns.
os.environ.setdefault("CONDOR_FUTURES_CHECK_OWNERS", "1")

import findings
from support import FAILED, QUICK, Pool

from condor_futures import CondorExecutor
from condor_futures.errors import InstallError
from condor_futures.options import ship
from condor_futures.personal import HTCondorRelease, PersonalPool, find_htcondor, install

#: The environment variable with the ``XDG_DATA_HOME`` in which all processes of a test run install HTCondor, once.
_DATA = "CONDOR_FUTURES_TEST_DATA"


def pytest_configure(config: pytest.Config) -> None:
    """Accept Ctrl-C, and make a directory for all processes of this run.

    A shell without job control makes its background processes and their children ignore Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        # pytest's directories allow only their owner to enter. Root's daemons run as another user.
        os.environ[_DATA] = tempfile.mkdtemp(prefix="condor-futures-data-")
        Path(os.environ[_DATA]).chmod(0o755)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the directory, when all processes have ended."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(_DATA, ""), ignore_errors=True)


#: Files that take longest (``--durations=0`` tells) come first, so that no process still has one when the others have
#: ended. Tests without a pool come last: their files are short.
_LONGEST = [
    "tests/faults/test_faults.py",
    "tests/pool/test_remote.py",
    "tests/pool/test_credentials.py",
    "tests/pool/test_limits.py",
    "tests/pool/test_lifecycle.py",
    "tests/pool/test_audit.py",
    "tests/pool/test_versions.py",
    "tests/personal/test_benchmarks.py",
    "tests/pool/test_warm_failures.py",
    "tests/pool/test_warm_sessions.py",
    "tests/clients/test_workflows.py",
    "tests/pool/test_warm_hostile.py",
    "tests/pool/test_cli.py",
    "tests/pool/test_attach.py",
    "tests/contract/test_deadlocks.py",
    "tests/pool/test_executor.py",
    "tests/personal/test_install.py",
    "tests/pool/test_dag_rescue.py",
    "tests/pool/test_dag.py",
    "tests/pool/test_holds.py",
    "tests/pool/test_reused_ids.py",
    "tests/pool/test_workflows.py",
    "tests/pool/test_lost_answers.py",
    "tests/personal/test_pool.py",
    "tests/personal/test_pool_lifetime.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Decide the order of the files, and which tests are made again if they fail."""
    ranks = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.location[0], len(ranks) + item.location[0].startswith("tests/unit")))
    findings.set_reruns(items)


def pytest_collection_finish() -> None:
    """Let the tests' modules be pickled by value, as the definitions of a script are, and not be sent as files.

    Importing them, and pytest with them, would take a second in every job. Tests of one job say what they need.
    """
    here = Path(__file__).parent
    tests = []
    for name, module in sys.modules.copy().items():
        file = Path(getattr(module, "__file__", None) or "/")
        if file.is_relative_to(here):
            tests.append(name)
            if not (file.is_relative_to(here / "unit" / "execution_point") or name in ("sandbox", "warm_sandbox")):
                cloudpickle.register_pickle_by_value(module)
    ship.NEVER |= {name.partition(".")[0] for name in tests}


#: The test that runs.
_ITEM = pytest.StashKey[pytest.Item]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The time limit of a test applies to each attempt."""
    item.config.stash[_ITEM] = item
    _rewind(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remove the jobs of a failed test.

    Otherwise, its fixtures, its second attempt or other tests would wait for them.
    """
    report = yield
    if report.failed and findings.is_finding(item.nodeid):
        findings.keep_logs(item, report)
    if report.when == "call":
        item.stash[FAILED] = report.failed
        if report.failed and "pool" in item.funcargs:
            _rewind(item)
            item.funcargs["pool"].remove_all()
    return report


def _rewind(item: pytest.Item) -> None:
    """Restart the clock of pytest-timeout.

    Version 2.4 starts the clock only once for all attempts, and not again after it has expired.
    """
    marker = item.get_closest_marker("timeout")
    _set_clock(float(marker.args[0] if marker else item.config.getini("timeout")))


def _set_clock(seconds: float) -> None:
    if signal.getsignal(signal.SIGALRM) not in (signal.SIG_DFL, signal.SIG_IGN):
        signal.setitimer(signal.ITIMER_REAL, seconds)


@contextlib.contextmanager
def _time_of_its_own(config: pytest.Config) -> Iterator[None]:
    """Let what many tests need begin, without taking the time of the test that happens to be the first."""
    _set_clock(600)
    yield
    _rewind(config.stash[_ITEM])


@pytest.fixture(scope="session")
def release(pytestconfig: pytest.Config) -> HTCondorRelease:
    """The HTCondor of this machine, or one that is installed for this user now."""
    with _time_of_its_own(pytestconfig):
        return find_htcondor() or install(lambda step, share: None)


@pytest.fixture(scope="session")
def data_home(pytestconfig: pytest.Config) -> Path:
    """An ``XDG_DATA_HOME`` that every user may enter, and in which HTCondor was really installed.

    The machine's own HTCondor, or root's, is usually where other users may not enter.
    """
    path = Path(os.environ[_DATA])
    with pytest.MonkeyPatch.context() as patch, _time_of_its_own(pytestconfig):
        patch.setenv("XDG_DATA_HOME", str(path))
        try:
            install()
        except InstallError as error:
            pytest.skip(f"HTCondor cannot be installed here: {error}")
    return path


@pytest.fixture(scope="session")
def public_release(data_home: Path) -> HTCondorRelease:
    """The HTCondor that was installed there."""
    found = find_htcondor({"PATH": "", "XDG_DATA_HOME": str(data_home)})
    assert found is not None
    return found


@pytest.fixture(scope="session", autouse=True)
def state_home() -> Iterator[Path]:
    """A state directory of the session's own, before any module has another one for its tests: see the pool below."""
    # The directory is not below pytest's tmp_path: an ordinary user's job must be able to reach it, and the name of
    # tmp_path is long.
    state = Path(tempfile.mkdtemp(prefix="condor-futures-tests-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        yield state
    shutil.rmtree(state)


@pytest.fixture(scope="session")
def pool(release: HTCondorRelease, state_home: Path) -> Iterator[Pool]:
    """The personal pool of `access_point="personal"`."""
    directory = state_home / "condor_futures" / "pools" / "personal"
    personal = PersonalPool(directory, slots=8, release=release, config=QUICK)
    try:
        personal.start()
        yield Pool(personal)
    finally:
        personal.stop()


@pytest.fixture(scope="session")
def executor(pool: Pool) -> Iterator[CondorExecutor]:
    """One executor for all tests that leave it unchanged. Each bundle has a job of its own."""
    with CondorExecutor(access_point="personal", warm=0) as executor:
        yield executor
    assert pool.queue(executor) == []


@pytest.fixture
def new_executor(pool: Pool, request: pytest.FixtureRequest) -> Iterator[Callable[..., CondorExecutor]]:
    """Make executors for one test. They are shut down after it, and must leave nothing behind.

    Each bundle has a job of its own, unless the test asks for warm jobs.
    """
    made: list[CondorExecutor] = []

    def make(**options: Any) -> CondorExecutor:
        made.append(CondorExecutor(**{"access_point": "personal", "warm": 0, **options}))
        return made[-1]

    yield make
    for executor in made:
        if request.node.stash.get(FAILED, False):
            executor.terminate_workers()
        else:
            executor.shutdown()
            assert pool.queue(executor) == []
