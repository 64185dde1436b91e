"""What the tests of other libraries share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from condor_futures import CondorExecutor


@pytest.fixture
def unspooled(executor: CondorExecutor) -> CondorExecutor:
    """The session's executor without spooling: libraries that wait for each round of calls wait less."""
    return executor.with_options(spool=False)


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPoolExecutor]:
    """What each recipe has to give the same numbers with; its functions are those of tests/recipes.py."""
    # Not forked: there are threads here.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor
