"""Held jobs are released as often as necessary. An unreachable access point is not a refusal."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace

from condor_futures.access_point import backoff
from condor_futures.access_point.requests import AwayError
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Job, NotReleased, State
from condor_futures.watching.releases import ATTEMPTS, Releases


def test_a_job_is_not_given_up_while_the_access_point_is_away(monkeypatch):
    """The release is given up only if the access point answers and refuses several times."""
    error: AccessPointError = AwayError("no answer")
    asked, events = [], []

    class AccessPoint:
        def request(self, operation, answer, **arguments):
            asked.append((operation, arguments))
            answer(None, error)

    jobs = SimpleNamespace(read_log=lambda: None, advance=lambda _, event: events.append(event))
    held = Releases(AccessPoint(), jobs)
    held.release(Bundle("b", Path(), Options({}, True, ""), {}, Job("b", True, State.HELD, "7.0", holds=1)), None)
    monkeypatch.setattr(backoff.time, "monotonic", itertools.count(1e9, 100.0).__next__)
    for _ in range(3 * ATTEMPTS):
        held.proceed()
    assert len(asked) == 3 * ATTEMPTS
    assert events == []
    error = AccessPointError("no")
    for _ in range(ATTEMPTS):
        held.proceed()
    assert events == [NotReleased("7.0", 1, "it cannot be released: no")]


def test_released_jobs_with_more_memory_are_reported():
    """Jobs with equal limits are released together."""
    asked, raised = [], []

    class AccessPoint:
        def request(self, operation, answer, **arguments):
            asked.append(arguments)
            jobs = arguments["jobs"]
            answer({"released": jobs, "refused": {}, "requests": dict.fromkeys(jobs, 512)}, None)

    jobs = SimpleNamespace(read_log=lambda: None, advance=lambda bundle, _: held.forget(bundle.job.job_id))
    held = Releases(AccessPoint(), jobs, lambda bundle, memory: raised.append((bundle.key, memory)))
    for number, memory in enumerate([300, 300, None]):
        job = Job(f"b{number}", True, State.HELD, f"7.{number}", holds=1)
        held.release(Bundle(f"b{number}", Path(), Options({}, True, ""), {}, job), 1024, memory)
    held.proceed()
    assert asked == [{"jobs": ["7.0", "7.1"], "memory_max": 1024, "memory": 300}]
    assert raised == [("b0", 512), ("b1", 512)]
