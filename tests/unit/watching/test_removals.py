"""Jobs are removed many at a time, and a failed removal is repeated."""

from __future__ import annotations

import pytest

from condor_futures.access_point import backoff
from condor_futures.access_point.backoff import ATTEMPTS
from condor_futures.access_point.requests import AwayError
from condor_futures.errors import AccessPointError
from condor_futures.watching.removals import Removals


class Schedd:
    """An access point that answers when the test says so, and a clock that the test sets."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(backoff.time, "monotonic", lambda: self.now)
        self.asked: list = []
        self.removals = Removals(self, "s")

    def request(self, operation, answer, **arguments) -> None:
        self.asked.append((operation, arguments, answer))

    def answer(self, result=None, error=None, kind=AccessPointError) -> None:
        self.asked[-1][2](result, kind(error) if error else None)


@pytest.fixture
def schedd(monkeypatch):
    return Schedd(monkeypatch)


def test_a_removal_at_an_access_point_that_is_away_is_made_again(schedd):
    """It is repeated as long as the absence lasts."""
    schedd.removals.remove("7.0")
    for attempt in range(20):
        schedd.removals.proceed()
        assert len(schedd.asked) == attempt + 1
        schedd.answer(error="no answer", kind=AwayError)
        schedd.now += 64


def test_a_removal_that_fails_is_made_again(schedd, caplog):
    """It is repeated later, together with new removals. The end of the session need not wait for it."""
    schedd.removals.remove("7.0")
    assert schedd.removals.busy
    schedd.removals.proceed()
    schedd.answer(error="it is away")
    assert "could not be removed; retrying" in caplog.text
    assert not schedd.removals.busy
    assert schedd.removals.patience() == 4  # not for ever: nothing else may cause another look
    schedd.removals.remove("7.1")
    schedd.removals.proceed()
    assert len(schedd.asked) == 1
    schedd.now += 10
    schedd.removals.proceed()
    assert schedd.asked[-1][:2] == ("remove", {"jobs": ["7.0", "7.1"]})
    schedd.answer(2)
    schedd.now += 1000
    schedd.removals.proceed()
    assert len(schedd.asked) == 2


def test_a_removal_that_fails_for_ever_is_left_to_the_end(schedd, caplog):
    schedd.removals.remove("7.0")
    for _ in range(20):
        before = len(schedd.asked)
        schedd.now += 1000
        schedd.removals.proceed()
        if len(schedd.asked) > before:
            schedd.answer(error="it is away")
    assert len(schedd.asked) == ATTEMPTS
    assert "until the session ends" in caplog.text
