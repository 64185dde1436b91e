"""``procid`` stands for a number that a call only has in its job."""

from __future__ import annotations

import copy
import pickle

import pytest

from condor_futures.calls.procid import procid
from condor_futures.execution_point.unpickling import number_in_cluster


def test_a_copy_of_procid_stands_for_the_same():
    """``dataclasses.asdict`` copies the values that it finds."""
    assert copy.copy(procid) is procid
    assert copy.deepcopy({"index": [procid]}) == {"index": [procid]}


def test_procid_has_no_text():
    """``f"out{procid}.txt"`` would be the same in all calls."""
    for text in (str, "{}".format, "out%s.txt".__mod__):
        with pytest.raises(TypeError, match="format it in the function"):
            text(procid)
    assert repr(procid) == "condor_futures.procid"


def test_it_is_pickled_as_what_finds_the_number():
    """Only the job knows the number."""
    assert procid.__reduce__() == (number_in_cluster, ())
    assert b"number_in_cluster" in pickle.dumps([procid])
