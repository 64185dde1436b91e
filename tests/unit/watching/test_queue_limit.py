"""The number of jobs to try after a refusal, and the time of the attempt."""

from __future__ import annotations

import math

import pytest

from condor_futures.watching.queue_limit import AGAIN, QueueLimit


@pytest.fixture
def limit():
    return QueueLimit()


def test_there_is_none_until_something_is_refused(limit):
    assert limit.room(10**6, 0.0) == math.inf
    assert limit.patience(0.0) == math.inf
    limit.taken(1000)
    assert not limit.reached


def test_what_there_was_room_for_may_be_tried_at_once(limit):
    limit.refused(live=3, room=2, now=10.0)
    assert [limit.room(live, 10.0) for live in (0, 3, 4, 5, 6)] == [5, 2, 1, 0, 0]
    assert limit.patience(10.25) == AGAIN.shortest - 0.25
    limit.taken(5)
    assert limit.reached
    assert limit.room(5, 10.0) == 0


def test_more_is_tried_after_a_while_and_found_to_be_possible(limit):
    limit.refused(live=3, room=2, now=10.0)
    assert limit.room(5, 10.0 + AGAIN.shortest) == math.inf
    limit.taken(6)
    assert not limit.reached


def test_it_is_tried_less_often_while_nothing_leaves(limit):
    now, pauses = 0.0, []
    for _ in range(8):
        limit.refused(live=5, room=0, now=now)
        pauses.append(limit.patience(now))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, AGAIN.longest, AGAIN.longest, AGAIN.longest]


def test_it_is_tried_soon_when_jobs_have_left(limit):
    """The schedd counts only now and then, so it may refuse jobs for some time although there is room again."""
    for _ in range(8):
        limit.refused(live=5, room=0, now=0.0)
    limit.refused(live=4, room=0, now=0.0)
    assert limit.patience(0.0) == AGAIN.shortest
    limit.refused(live=0, room=0, now=0.0)
    assert limit.patience(0.0) == AGAIN.shortest
    limit.refused(live=0, room=5, now=0.0)
    limit.taken(5)
    limit.refused(live=0, room=0, now=0.0)
    assert limit.patience(0.0) == AGAIN.shortest
