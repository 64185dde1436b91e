"""The vocabulary of the table: the reason for a hold, and the public state of a job."""

from __future__ import annotations

import pytest

from condor_futures.state_machine.states import Held, Job, State


@pytest.mark.parametrize(
    ("hold", "for_memory"),
    [
        (Held("7.0", 34, 102), True),
        (Held("7.0", 34, 0), True),  # before HTCondor 23
        (Held("7.0", 34, 104), False),  # disk
        (Held("7.0", 21, 102), True),
        (Held("7.0", 26, 0, "Job has gone over memory limit of 2048 megabytes"), True),
        (Held("7.0", 26, 0, "too many starts"), False),
        (Held("7.0", 13, 102, "memory"), False),  # no policy has this code
    ],
)
def test_a_hold_is_for_memory_by_its_codes_or_its_words(hold, for_memory):
    assert hold.for_memory is for_memory


def test_a_hold_names_the_time_limit_that_it_is_for():
    assert Held("7.0", 46).time_limit == "allowed_job_duration"
    assert Held("7.0", 47).time_limit == "allowed_execute_duration"
    assert Held("7.0", 1).time_limit is None


@pytest.mark.parametrize("state", State)
def test_what_is_over_is_shown_as_completed_until_its_future_knows(state):
    over = state in (State.ENDED, State.DISCARDED)
    assert Job("b000001", spooled=True, state=state).shown is (State.COMPLETED if over else state)
