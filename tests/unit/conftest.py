"""Settings of the unit tests: they need no HTCondor daemon, and property tests have no deadline."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from condor_futures import DagExecutor
from condor_futures.session.session import Session

# A slow or busy machine is no failure. pytest-timeout stops tests that take too long.
settings.register_profile("condor_futures", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("condor_futures")


@pytest.fixture
def new_dag(tmp_path):
    """Make DAGs for one test."""
    made = []

    def make(name="work", **options):
        made.append(DagExecutor(name, tmp_path / f"{name}{len(made)}", **options))
        return made[-1]

    yield make
    for dag in made:
        dag.terminate_workers()


@pytest.fixture
def session(tmp_path):
    """A session without a client."""
    session = Session.create(tmp_path / "session")
    yield session
    session.remove()
