"""Which tests are made again if they fail."""

from __future__ import annotations

import findings
import pytest

GUARANTEE = "tests/pool/test_attach.py::test_held_jobs_keep_their_policy"


class Item:
    def __init__(self, nodeid, *marks):
        self.nodeid = nodeid
        self.marks = {mark.name: mark for mark in marks}

    def get_closest_marker(self, name):
        return self.marks.get(name)

    def add_marker(self, mark):
        self.marks[mark.name] = mark.mark


def reruns(nodeid, *marks):
    """How often a test is made again, according to the mark of pytest-rerunfailures; None if it has no mark."""
    item = Item(nodeid, *(mark.mark for mark in marks))
    findings.set_reruns([item])
    return item.marks["flaky"].kwargs["reruns"] if "flaky" in item.marks else None


def test_only_tests_that_say_why_are_made_again():
    why = pytest.mark.load_dependent("because")
    assert reruns("tests/pool/test_cli.py::test_version", why) == 1
    assert reruns("tests/pool/test_cli.py::test_version") is None


@pytest.mark.parametrize(
    "nodeid",
    [
        "tests/faults/test_faults.py::test_no_call_is_lost_wrong_or_hung_whatever_dies",
        "tests/contract/test_deadlocks.py::test_huge_bytes_travel",
        GUARANTEE,
        f"{GUARANTEE}[spooled]",
    ],
)
def test_findings_are_never_made_again(nodeid):
    """Not even with --reruns."""
    assert reruns(nodeid) == 0
    with pytest.raises(pytest.UsageError, match="cannot be load_dependent"):
        reruns(nodeid, pytest.mark.load_dependent("because"))


@pytest.mark.parametrize("arguments", [(), ("",), (1,), ("one", "two")])
def test_a_mark_without_a_reason_is_refused(arguments):
    with pytest.raises(pytest.UsageError, match="needs one argument, the reason"):
        reruns("tests/pool/test_cli.py::test_version", pytest.mark.load_dependent(*arguments))
