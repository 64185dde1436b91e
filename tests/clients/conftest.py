"""What the tests of other libraries share."""

from __future__ import annotations

import pytest

from condor_futures import CondorExecutor


@pytest.fixture
def unspooled(executor: CondorExecutor) -> CondorExecutor:
    """The session's executor without spooling: libraries that wait for each round of calls wait less."""
    return executor.with_options(spool=False)
