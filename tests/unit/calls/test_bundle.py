"""The output of a bundle's job."""

from __future__ import annotations

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Job

HUGE = 1 << 40


@pytest.fixture
def bundle(tmp_path):
    return Bundle("b000000", tmp_path, Options({}, spool=True), {}, Job("b000000", True))


def test_the_end_of_a_huge_file_is_read_from_its_end_only(bundle):
    """A terabyte that a call wrote does not go through the client's memory."""
    with bundle.path("stderr").open("wb") as file:
        file.truncate(HUGE)
        file.seek(HUGE)
        file.write("the endé".encode())
    assert bundle.text("stderr", tail=8) == "the endé"
    text = bundle.text("stderr", tail=2000)
    assert (len(text), text[-8:]) == (2000, "the endé")


def test_the_end_of_a_calls_share_is_its_own(bundle):
    """It has no output of the job's other calls, earlier or later."""
    bundle.path("stderr").write_bytes(b"one\ntwo\n" + 100 * b"three\n")
    bundle.stream_ranges = {"c000001": {"stderr": (4, 8)}}
    assert bundle.text("stderr", "c000001") == "two\n"
    assert bundle.text("stderr", "c000001", tail=3) == "wo\n"


def test_a_file_that_is_not_there_is_empty(bundle):
    assert bundle.text("stdout") == ""
