"""Jobs are retrieved many at a time, and failed retrievals are repeated."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from condor_futures.access_point import backoff
from condor_futures.access_point.backoff import ATTEMPTS
from condor_futures.access_point.requests import AwayError
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Job, NotRetrieved, Retrieved, State
from condor_futures.watching.retrievals import Retrievals


class Schedd:
    """An access point that answers when the test says so, and a clock that the test sets."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(backoff.time, "monotonic", lambda: self.now)
        self.asked: list = []
        self.events: list = []
        self.retrievals = Retrievals(self, self)

    def advance(self, _, event) -> None:
        self.events.append(event)

    def request(self, operation, answer, **arguments) -> None:
        self.asked.append((operation, arguments, answer))

    def answer(self, result=None, error=None, kind=AccessPointError) -> None:
        self.asked[-1][2](result, kind(error) if error else None)


@pytest.fixture
def schedd(monkeypatch):
    return Schedd(monkeypatch)


def ended(number: int) -> Bundle:
    return Bundle("b", Path(), Options({}, True, ""), {}, Job("b", True, State.COMPLETED, f"7.{number}"))


def test_the_last_job_is_retrieved_at_once(schedd):
    schedd.retrievals.retrieve(ended(0))
    schedd.retrievals.proceed(under_way=1)
    assert [(operation, arguments) for operation, arguments, _ in schedd.asked] == [("retrieve", {"jobs": ["7.0"]})]
    assert schedd.retrievals.busy
    schedd.answer({"failed": {}, "no_room": {}})
    assert schedd.events == [Retrieved("7.0")]
    assert not schedd.retrievals.busy


def test_others_wait_for_company(schedd):
    """They wait a quarter of a second. Each has its own answer."""
    bundles = [ended(number) for number in range(3)]
    for bundle in bundles:
        schedd.retrievals.retrieve(bundle)
        schedd.retrievals.proceed(under_way=9)
    assert schedd.asked == []
    schedd.retrievals.forget(bundles[1])
    schedd.now += 0.25
    schedd.retrievals.proceed(under_way=8)
    assert schedd.asked[0][1] == {"jobs": ["7.0", "7.2"]}
    schedd.answer({"failed": {"7.2": "no file"}, "no_room": {}})
    assert schedd.events == [Retrieved("7.0"), NotRetrieved("7.2", "no file")]


def test_a_retrieval_from_an_access_point_that_is_away_is_made_again(schedd, caplog):
    """It is repeated until the access point returns, at least every minute. The warning comes once for each reason."""
    schedd.retrievals.retrieve(ended(0))
    for attempt in range(20):
        schedd.retrievals.proceed(under_way=1)
        assert len(schedd.asked) == attempt + 1
        schedd.answer(error="no answer" if attempt < 10 else "no token", kind=AwayError)
        assert schedd.retrievals.busy
        assert schedd.retrievals.stuck
        schedd.now += 64
    assert (caplog.text.count("no answer"), caplog.text.count("no token")) == (1, 1)
    schedd.retrievals.proceed(under_way=1)
    schedd.answer({"failed": {}, "no_room": {}})
    assert schedd.events == [Retrieved("7.0")]
    assert not schedd.retrievals.busy
    assert not schedd.retrievals.stuck


def test_a_retrieval_that_cannot_be_asked_for_is_given_up(schedd, caplog):
    """The limit is a number of attempts: nothing may wait for ever."""
    schedd.retrievals.retrieve(ended(0))
    attempts = 0
    while not schedd.events:
        schedd.retrievals.proceed(under_way=1)
        if len(schedd.asked) > attempts:
            attempts = len(schedd.asked)
            schedd.answer(error="the helper died")
        assert schedd.retrievals.busy or schedd.events
        schedd.now += 1
    assert attempts == ATTEMPTS
    assert schedd.events == [NotRetrieved("7.0", "the helper died")]
    assert caplog.text.count("could not be retrieved; retrying") == 1


def test_a_job_that_was_cancelled_meanwhile_is_not_retrieved_again(schedd):
    bundle = ended(0)
    schedd.retrievals.retrieve(bundle)
    schedd.retrievals.proceed(under_way=1)
    bundle.job = Job("b", True, State.DISCARDED, "7.0")
    schedd.answer(error="it is away")
    assert not schedd.retrievals.busy


def test_what_does_not_fit_here_keeps_nobody_waiting(schedd, caplog):
    """Only that job is requested again, several times. Jobs that end meanwhile are retrieved as usual."""
    for number in range(3):
        schedd.retrievals.retrieve(ended(number))
    schedd.retrievals.proceed(under_way=3)
    schedd.answer({"failed": {}, "no_room": {"7.1": "disk full"}})
    assert schedd.events == [Retrieved("7.0"), Retrieved("7.2")]
    assert "1 jobs do not fit on the disk; retrying: disk full" in caplog.text
    assert schedd.retrievals.busy
    assert schedd.retrievals.patience() == 4
    schedd.retrievals.retrieve(ended(3))
    schedd.retrievals.proceed(under_way=2)
    assert schedd.asked[-1][1] == {"jobs": ["7.3"]}
    schedd.answer({"failed": {}, "no_room": {}})
    schedd.now += 4
    schedd.retrievals.retrieve(ended(4))
    schedd.retrievals.proceed(under_way=9)
    assert schedd.asked[-1][1] == {"jobs": ["7.4", "7.1"]}  # the other jobs first
    schedd.answer({"failed": {}, "no_room": {}})
    assert schedd.events[2:] == [Retrieved("7.3"), Retrieved("7.4"), Retrieved("7.1")]
    assert not schedd.retrievals.busy


def test_what_never_fits_here_is_given_up(schedd):
    """The number of attempts is that for an unreachable access point. Times when it is unreachable do not count."""
    schedd.retrievals.retrieve(ended(0))
    attempts = away = 0
    while not schedd.events:
        schedd.retrievals.proceed(under_way=1)
        if len(schedd.asked) > attempts + away:
            if attempts == 2 and not away:
                away = 1
                schedd.answer(error="it is away")
            else:
                attempts += 1
                schedd.answer({"failed": {}, "no_room": {"7.0": "disk full"}})
        assert schedd.retrievals.busy or schedd.events
        schedd.now += schedd.retrievals.patience() if schedd.retrievals.busy else 0
    assert attempts == ATTEMPTS
    assert schedd.events == [NotRetrieved("7.0", "disk full")]


def test_what_does_not_fit_and_nobody_wants_is_forgotten(schedd):
    """It may be cancelled between two attempts, or during one."""
    bundle = ended(0)
    schedd.retrievals.retrieve(bundle)
    schedd.retrievals.proceed(under_way=1)
    schedd.answer({"failed": {}, "no_room": {"7.0": "disk full"}})
    schedd.now += 4
    schedd.retrievals.proceed(under_way=1)
    bundle.job = Job("b", True, State.DISCARDED, "7.0")
    schedd.retrievals.forget(bundle)
    schedd.answer({"failed": {}, "no_room": {"7.0": "disk full"}})
    assert not schedd.retrievals.busy
    assert schedd.retrievals.patience() == math.inf
