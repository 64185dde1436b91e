"""How many calls a job is given at once, and which jobs can be given calls."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from condor_futures.watching.fleet import AHEAD, LONG, MOST_AHEAD, STUCK, Fleet, WarmJob


def learnt(*durations, **more):
    fleet = Fleet(**more)
    for duration in durations:
        fleet.learn({"started": 100.0, "ended": 100.0 + duration})
    return fleet


def test_nothing_is_known_before_the_first_call_has_ended():
    assert learnt().duration is None
    assert learnt().ahead() == 1


@pytest.mark.parametrize(
    ("duration", "ahead"),
    [(3600.0, 1), (LONG * 1.01, 1), (LONG * 0.99, 2), (AHEAD, 2), (0.0101, 4), (1e-4, MOST_AHEAD), (0.0, MOST_AHEAD)],
)
def test_short_calls_are_given_several_at_a_time(duration, ahead):
    """A job that makes a call has always another one, and none that has to wait long."""
    assert Fleet(duration=duration).ahead() == ahead


def test_a_single_call_changes_the_average_little():
    fleet = learnt(*[0.001] * 10, 1.0)
    assert 0.1 < fleet.duration < 0.11
    fleet = learnt(*[1.0] * 50, *[0.001] * 100)
    assert fleet.duration < 0.01


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"started": 1.0},
        {"started": "1", "ended": "2"},
        {"started": None, "ended": 2.0},
        {"started": math.nan, "ended": 2.0},
        {"started": 0.0, "ended": math.inf},
        {"started": math.inf, "ended": math.inf},
        {"started": -1e308, "ended": 1e308},
        {"started": 0.0, "ended": 10**400},
        {"started": True, "ended": [2]},
    ],
    ids=str,
)
def test_times_that_make_no_sense_are_ignored(header):
    """The job wrote them as it liked."""
    fleet = learnt(0.01)
    fleet.learn(header)
    assert fleet.duration == learnt(0.01).duration
    assert fleet.ahead() == 4


def test_a_call_that_ended_before_it_began_took_no_time():
    assert learnt(-5.0).duration == 0.0
    assert learnt(-5.0).ahead() == MOST_AHEAD


def job(connection, *, greeted=True, **more):
    return WarmJob(SimpleNamespace(), Path(), b"", connection, greeted=greeted, **more)


def test_a_job_takes_calls_while_it_is_connected_and_stays():
    """From its hello on: before, it may bring outcomes of calls that it was given earlier."""
    connection = SimpleNamespace()
    assert job(connection).takes_calls
    assert job(connection).free
    assert not job(connection, greeted=False).takes_calls
    assert not job(None).takes_calls
    assert not job(None).free
    assert not job(connection, leaving=True).takes_calls
    assert not job(connection, leaving=True).free


def test_a_job_with_calls_takes_more_but_is_not_free():
    busy = job(SimpleNamespace(), calls={"c0": SimpleNamespace()})
    assert (busy.takes_calls, busy.free) == (True, False)


def calls_of(count, together=0):
    storage = SimpleNamespace(together=together)
    return {f"c{n}": SimpleNamespace(storage=storage) for n in range(count)}


def test_a_chunk_of_a_size_that_was_chosen_is_not_divided():
    """Otherwise, each of its calls could have a job."""
    made = [job(SimpleNamespace(), calls=calls_of(3, together), heard=100.0) for together in (0, 3)]
    assert [(one.divisible, one.behind(100.0 + STUCK * 2)) for one in made] == [(3, 2), (1, 0)]


def test_calls_are_behind_one_that_takes_long():
    """The job was given calls, or ended one, some time ago."""
    none, one, three = (job(SimpleNamespace(), calls=calls_of(count), heard=100.0) for count in (0, 1, 3))
    soon, later = 100.0 + STUCK / 2, 100.0 + STUCK * 2
    assert [made.behind(soon) for made in (none, one, three)] == [0, 0, 0]
    assert [made.behind(later) for made in (none, one, three)] == [0, 0, 2]
    assert [made.stuck(soon) for made in (none, one, three)] == [False, False, False]
    assert [made.stuck(later) for made in (none, one, three)] == [False, True, True]
