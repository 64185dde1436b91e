"""Fixtures that the tests of other libraries share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from condor_futures import CondorExecutor


@pytest.fixture
def unspooled(executor: CondorExecutor) -> CondorExecutor:
    """The session's executor without spooling. Libraries that wait for each round of calls then wait less."""
    return executor.with_options(spool=False)


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPoolExecutor]:
    """A ProcessPoolExecutor, with which each recipe must return the same numbers. It runs the functions of
    tests/recipes.py.
    """
    # The processes are not forked: this process has threads.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor
