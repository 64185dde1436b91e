"""What the unit tests share: they need no HTCondor daemon, and no property test is judged by the clock."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from condor_futures import DagExecutor

# A slow or busy machine is no failure; what is too slow for a test to wait for, pytest-timeout stops.
settings.register_profile("condor_futures", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("condor_futures")


@pytest.fixture
def new_dag(tmp_path):
    """Makes DAGs of a test's own."""
    made = []

    def make(name="work", **options):
        made.append(DagExecutor(name, tmp_path / f"{name}{len(made)}", **options))
        return made[-1]

    yield make
    for dag in made:
        dag.terminate_workers()
