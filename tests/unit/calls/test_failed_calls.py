"""The notes about calls that failed with their warm job."""

from __future__ import annotations

import os

import pytest

from condor_futures.calls.failed_calls import find_failed, note_failed
from condor_futures.calls.outcomes_file import outcome_at
from condor_futures.errors import JobHeldError, JobRemovedError
from condor_futures.resolving.failures import value_or_error


def error_of(session, call):
    path, start = find_failed(session)[call]
    with path.open("rb") as file:
        outcome = outcome_at(file, start, call, session=session.id, secret=session.secret)
    return value_or_error(outcome, None)[1]


def test_a_call_has_the_same_error_again(session):
    assert find_failed(session) == {}
    note_failed(session, "c0", JobRemovedError("it was removed", job_id="1.0", reason="via condor_rm"))
    note_failed(session, "c1", JobHeldError("it was held", job_id="2.0", code=13))
    first, second = error_of(session, "c0"), error_of(session, "c1")
    assert (type(first), first.args, first.job_id, first.reason) == (
        JobRemovedError,
        ("it was removed",),
        "1.0",
        "via condor_rm",
    )
    assert (type(second), second.code) == (JobHeldError, 13)
    assert session.failed.stat().st_mode & 0o777 == 0o600


def test_the_first_error_counts(session):
    for text in ("one", "two"):
        note_failed(session, "c0", JobRemovedError(text))
    assert str(error_of(session, "c0")) == "one"


def test_a_note_that_was_torn_hides_none_that_comes_later(session):
    note_failed(session, "c0", JobRemovedError("one"))
    whole = session.failed.stat().st_size
    note_failed(session, "c1", JobRemovedError("two"))
    os.truncate(session.failed, session.failed.stat().st_size - 1)
    assert find_failed(session).keys() == {"c0"}
    assert session.failed.stat().st_size == whole
    note_failed(session, "c1", JobRemovedError("two"))
    assert find_failed(session).keys() == {"c0", "c1"}


@pytest.mark.parametrize("tear", [True, False])
def test_a_note_that_cannot_be_written_leaves_the_others(session, monkeypatch, tear):
    note_failed(session, "c0", JobRemovedError("one"))

    def full(file, *_):
        if tear:
            file.write(b"CFf1")
            file.flush()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("condor_futures.calls.failed_calls.write_frame", full)
    with pytest.raises(OSError, match="No space"):
        note_failed(session, "c1", JobRemovedError("two"))
    monkeypatch.undo()
    note_failed(session, "c2", JobRemovedError("three"))
    assert find_failed(session).keys() == {"c0", "c2"}
