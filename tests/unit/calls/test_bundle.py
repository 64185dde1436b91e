"""The output of a bundle's job."""

from __future__ import annotations

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.future import CondorFuture, Written
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


# Open bundles.


@pytest.fixture
def opened(tmp_path):
    """Its job has made one call, makes the second, and has been given the third."""
    futures = {key: CondorFuture(key) for key in ("c1", "c2")}
    made = Bundle("b000001", tmp_path, Options({}, spool=True), futures, Job("b000001", True), line=tmp_path / "line")
    made.line.mkdir()
    made.attempt = made.line / "00000000000000aa"
    for stream in ("stdout", "stderr"):
        made.attempt.with_suffix(f".{stream}").write_text("first\nsecond\n")
    made.found("c0", first(made))
    return made


def first(opened):
    """Where the first call's outcome and output are."""
    path = opened.line / "00000000000000aa.outcomes"
    return Written(path, 0, opened.key, {"stdout": (0, 6), "stderr": (0, 6)})


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_output_of_a_call_of_a_warm_job_is_there_while_it_runs(opened, stream):
    """It is what comes after the output of the calls before. A call that waits has none."""
    assert opened.text(stream, "c0", first(opened)) == "first\n"
    assert [opened.text(stream, call) for call in ("c1", "c2")] == ["second\n", ""]
    assert opened.text(stream, "c1", tail=4) == "ond\n"


def test_the_output_before_a_new_attempt_is_not_that_of_its_first_call(opened):
    """Its files begin anew."""
    opened.attempt = opened.line / "00000000000000bb"
    assert opened.text("stdout", "c1") == ""
    opened.attempt.with_suffix(".stdout").write_text("again\n")
    assert (opened.text("stdout", "c0", first(opened)), opened.text("stdout", "c1")) == ("first\n", "again\n")


def test_a_call_that_has_just_ended_is_not_taken_for_the_next_one(opened):
    """Its end is known before the future is done. The output after it is of another call."""
    ended = Written(opened.attempt.with_suffix(".outcomes"), 9, opened.key, {"stdout": (6, 13)})
    assert opened.output("stdout", "c1", None, ended=False) == (opened.attempt.with_suffix(".stdout"), 6, None)
    opened.found("c1", ended)
    assert opened.output("stdout", "c1", None, ended=False) is None
    opened.take("c1")
    assert opened.output("stdout", "c1", ended, ended=True) == (opened.attempt.with_suffix(".stdout"), 6, 13)
    assert opened.output("stdout", "c2", None, ended=False) == (opened.attempt.with_suffix(".stdout"), 13, None)


def test_the_output_of_a_job_without_a_line_is_read_when_the_call_has_ended(bundle):
    """Before, the file may be that of an earlier attempt."""
    assert bundle.output("stdout", "c000001", None, ended=False) is None
    assert bundle.output("stdout", "c000001", None, ended=True) == (bundle.path("stdout"), 0, None)


def test_without_an_attempt_no_call_has_output(opened):
    opened.attempt = None
    assert opened.text("stdout", "c1") == ""


def test_the_output_of_a_call_whose_outcome_came_as_a_file_is_that_of_the_job(opened):
    opened.path("stdout").write_text("of the job")
    written = Written(opened.path("outcomes"), 0, opened.key, {"stdout": (3, 6)})
    assert opened.text("stdout", "c1", written) == "the"


def test_calls_come_to_an_open_bundle_and_leave(opened):
    """They keep their order."""
    future = CondorFuture("c7")
    opened.give({"c7": future})
    assert list(opened.futures) == ["c1", "c2", "c7"]
    assert opened.take("c7") is future
    assert opened.take("c7") is None


def test_a_link_in_the_place_of_the_output_is_not_read(opened, tmp_path):
    (tmp_path / "secret").write_text("secret")
    opened.attempt.with_suffix(".stdout").unlink()
    opened.attempt.with_suffix(".stdout").symlink_to(tmp_path / "secret")
    assert opened.text("stdout", "c1") == ""
