"""Pauses between attempts."""

from __future__ import annotations

import pytest

from condor_futures.access_point import backoff
from condor_futures.access_point.backoff import Backoff, Pause


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(backoff.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.parametrize(
    ("factor", "pauses"), [(2.0, [1, 2, 4, 8, 10, 10]), (1.0, [1] * 6), (3.0, [1, 3, 9, 10, 10, 10])]
)
def test_pauses_grow_up_to_the_longest(factor, pauses):
    assert [Backoff(1.0, 10.0, factor).pause(number) for number in range(6)] == pauses


def test_number_of_pauses_is_not_limited():
    assert Backoff(1.0, 10.0).pause(1_000_000) == 10.0


def test_first_attempt_need_not_wait(clock):
    pause = Pause(Backoff(4.0, 64.0))
    assert pause.left() == 0
    assert pause.failures == 0


def test_each_failure_makes_the_pause_longer(clock):
    pause = Pause(Backoff(4.0, 10.0))
    for seconds in (4.0, 8.0, 10.0, 10.0):
        assert pause.failed()
        assert pause.left() == seconds
        clock.now += seconds - 1
        assert pause.left() == 1.0
        clock.now += 5
        assert pause.left() == 0


def test_success_forgets_the_failures(clock):
    pause = Pause(Backoff(4.0, 10.0), attempts=2)
    assert pause.failed()
    pause.succeeded()
    assert (pause.left(), pause.failures) == (0, 0)
    assert pause.failed()
    assert pause.left() == 4.0


def test_failures_that_count_are_limited(clock):
    """Other failures only make the pause longer."""
    pause = Pause(Backoff(1.0, 100.0), attempts=2)
    assert [pause.failed(counts=False) for _ in range(3)] == [True] * 3
    assert [pause.failed() for _ in range(2)] == [True, False]
    assert pause.left() == 16.0
