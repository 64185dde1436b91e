"""Every error has a sentence that reads well, also where the event log that knew the job's id is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures import states
from condor_futures.bundle import Bundle, Options
from condor_futures.errors import RemoteTraceback
from condor_futures.payload import Outcome
from condor_futures.resolver import Resolver

CAUSES = [
    states.Held("", 13, 2, "no such file"),
    states.Held("", 47, 0, "too long"),
    states.NotReleased("", 1, "it asked for 100 MiB"),
    states.Aborted("", "via condor_rm"),
    states.Aborted(""),
    states.Refused("", "no"),
    states.Terminated("", exit_status=1),
    states.Terminated("", signal=9),
    states.NotRetrieved("", "it is away"),
    states.ShadowException("", "no reason"),
    states.Evicted(""),
    states.Gone(""),
    states.Retrieved(""),
]


def sentence(cause, job_id, trouble=None):
    job = states.Job("b000001", spooled=True, job_id=job_id, holds=1)
    bundle = Bundle("b000001", Path(), Options({}, spool=True), {}, job)
    return str(Resolver._missing(bundle, cause, trouble, ""))


@pytest.mark.parametrize("cause", CAUSES, ids=repr)
def test_a_job_without_an_id_is_the_job_of_the_call(cause):
    """With one, it is named by it."""
    unknown = sentence(cause, None)
    assert "None" not in unknown
    if not isinstance(cause, states.Refused):
        assert "the job of the call " in unknown
        assert sentence(cause, "7.0") == unknown.replace("the job of the call ", "the job 7.0 ")


def test_so_it_is_where_the_outcomes_are_refused():
    assert (
        sentence(states.Gone(""), None, "it is short")
        == "the outcome file of the job of the call is refused: it is short"
    )


def test_outcomes_say_where_they_are_from_as_far_as_that_is_known():
    crash = Outcome("c000000", "crashed", {"signal": 9, "host": "ep1"}, ())
    assert str(crash.unpickle(None)[1]).endswith("was killed by SIGKILL (signal 9) (on ep1)")
    assert str(crash.unpickle("7.0")[1]).endswith("was killed by SIGKILL (signal 9) (job 7.0 on ep1)")
    spoilt = Outcome("c000000", "value", {"host": "ep1"}, (b"no pickle",))
    assert "the value of the call came back but cannot be unpickled here: " in str(spoilt.unpickle(None)[1])
    assert "came back from job 7.0 but cannot" in str(spoilt.unpickle("7.0")[1])
    assert str(RemoteTraceback("Traceback", "ep1")) == "\non ep1:\nTraceback"
