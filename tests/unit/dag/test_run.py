"""Both kinds of run have the methods that a driver calls."""

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
    """The parameters are of the same kinds, positional or keyword, and the method has a docstring."""
    ours, theirs = (inspect.signature(getattr(each, name)).parameters.values() for each in (Run, kind))
    assert [parameter.kind for parameter in ours] == [parameter.kind for parameter in theirs]
    assert inspect.getdoc(getattr(kind, name))
