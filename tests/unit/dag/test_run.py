"""Both kinds of run have what a driver asks of a run."""

from __future__ import annotations

import inspect

import pytest

from condor_futures.dag.follower import Follower
from condor_futures.dag.local import LocalRun
from condor_futures.dag.run import Run

ASKED = [name for name in vars(Run) if not name.startswith("_") and callable(getattr(Run, name))]


@pytest.mark.parametrize("kind", [Follower, LocalRun])
@pytest.mark.parametrize("name", ASKED)
def test_each_method_takes_what_a_run_takes(kind, name):
    """Also by keyword, where a run has one; and it says what it does there."""
    ours, theirs = (inspect.signature(getattr(each, name)).parameters.values() for each in (Run, kind))
    assert [parameter.kind for parameter in ours] == [parameter.kind for parameter in theirs]
    assert inspect.getdoc(getattr(kind, name))
