"""The needs of an ordinary user and of root's daemons on one machine."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from support import QUICK, Pool, until
from users import User
from warm_calls import Gate

from condor_futures import DagExecutor
from condor_futures.personal import PersonalPool


@pytest.fixture(scope="module")
def user():
    """An account other than root."""
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-user-"))
    directory.chmod(0o755)
    yield User(directory)
    shutil.rmtree(directory)


@pytest.fixture
def own_pool(request, release, tmp_path_factory, monkeypatch):
    """A pool that a test may damage: the pool of `access_point="personal"` for one test, perhaps with more settings."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    config = {**QUICK, **getattr(request, "param", {})}
    personal = PersonalPool(slots=4, release=release, config=config)
    personal.start()
    yield Pool(personal)
    personal.stop()


@pytest.fixture
def new_dag(pool, tmp_path):
    """Make DAGs for one test. They leave nothing in the queue."""
    made = []

    def make(name="work", **options):
        made.append(DagExecutor(name, tmp_path / f"{name}{len(made)}", access_point="personal", **options))
        return made[-1]

    yield make
    for dag in made:
        dag.terminate_workers()
        of_it = f'CondorFuturesSession == "{dag._driver.graph.session.id}"'
        until(lambda of_it=of_it: pool.ads("condor_q", of_it) == [])


@pytest.fixture
def open_directory(tmp_path_factory):
    """A directory in which jobs of every user may write."""
    directory = tmp_path_factory.mktemp("open")
    for path in directory.parents:
        if path.stat().st_uid == os.getuid() and path != Path("/"):
            with contextlib.suppress(PermissionError):
                path.chmod(path.stat().st_mode | 0o011)
    directory.chmod(0o777)
    return directory


@pytest.fixture
def gate(open_directory):
    made = Gate(open_directory)
    yield made
    made.open()


@pytest.fixture
def warm(new_executor):
    """Make executors with warm jobs for one test."""
    return lambda **options: new_executor(**{"warm": 60.0, **options})
