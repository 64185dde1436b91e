"""What became of jobs, from logs that a real HTCondor wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.session.event_log import EventLog
from condor_futures.session_report.job_histories import JobHistories, JobHistory
from condor_futures.state_machine import states

LOGS = Path(__file__).parents[2] / "event_logs"


def jobs_of(name: str) -> list[JobHistory]:
    histories = JobHistories()
    log = EventLog(LOGS / f"{name}.log", histories.take)
    log.read_all()
    log.close()
    return histories.jobs


#: By log: the states of its first job, how often it was started, and what went wrong.
RECORDED = {
    "good_spooled": (["queued", "transfer", "running", "transfer"], 1, []),
    "held_and_released": (
        ["queued", "transfer", "running", "held", "queued", "transfer", "running", "transfer"],
        2,
        ["held, code 1"],
    ),
    "killed_by_signal_unspooled": (["queued", "transfer", "running", "transfer"], 1, ["killed"]),
    "removed_while_idle": (["queued"], 0, ["removed"]),
    "removed_while_running": (["queued", "transfer", "running"], 1, ["removed"]),
    "evicted_then_finished": (
        ["queued", "transfer", "running", "queued", "transfer", "running", "transfer"],
        2,
        ["evicted"],
    ),
    "starter_killed": (
        ["queued", "transfer", "running", "queued", "transfer", "running", "transfer"],
        2,
        ["evicted"],
    ),
    "reconnected": (["queued", "running"], 1, []),
    "removed_after_completion": (["queued", "transfer", "running", "transfer"], 1, []),
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_states_of_a_job_follow_each_other(name):
    [job, *_] = jobs_of(name)
    names, starts, problems = RECORDED[name]
    assert [state for state, _, _ in job.spans] == names
    assert (job.starts, [problem.kind for problem in job.problems], job.ended) == (starts, problems, True)
    assert job.spans[0][1] == job.submitted
    for (_, _, end), (_, start, _) in zip(job.spans, job.spans[1:], strict=False):
        assert start == end


def test_the_sizes_and_the_bundle_of_a_job():
    """The first job was measured at 10624 KiB, and HTCondor rounds this up in its last event."""
    jobs = jobs_of("good_spooled")
    assert [job.bundle for job in jobs] == ["b000000", "b000001", "b000002"]
    assert (jobs[0].memory, jobs[0].requested) == (10624 << 10, 128 << 20)
    # Fractions of seconds count.
    assert jobs[0].spans[0] == ("queued", pytest.approx(1795252337.676), pytest.approx(1795252338.771))


def test_an_id_that_is_used_again_is_another_job():
    histories = JobHistories()
    for time in (1.0, 5.0):
        histories.take(states.Submitted("1.0", f"b00000{time:.0f}"), "SUBMIT", {}, time)
    histories.take(states.Executing("1.0", "ep"), "EXECUTE", {}, 6.0)
    histories.take(states.Executing("9.0", "ep"), "EXECUTE", {}, 7.0)  # its SUBMIT event is lost
    assert [(job.bundle, job.starts) for job in histories.jobs] == [("b000001", 0), ("b000005", 1)]
    assert histories.last == 7.0


@pytest.mark.parametrize("told", [{"ResidentSetSize": "much"}, {"ResidentSetSize": -1}, {"ResidentSetSize": 1e300}, {}])
def test_a_size_that_makes_no_sense_is_not_taken(told):
    histories = JobHistories()
    histories.take(states.Submitted("1.0", "b000000"), "SUBMIT", {}, 1.0)
    histories.take(states.Note("1.0"), "IMAGE_SIZE", told, 2.0)
    assert histories.jobs[0].memory is None


def test_a_job_that_runs_again_after_a_failed_call_is_repeated():
    histories = JobHistories()
    histories.take(states.Submitted("1.0", "b000000"), "SUBMIT", {}, 1.0)
    histories.take(states.Executing("1.0", "ep"), "EXECUTE", {}, 2.0)
    histories.take(states.Evicted("1.0"), "JOB_EVICTED", {"TerminatedAndRequeued": True}, 3.0)
    histories.take(states.ShadowException("1.0", "no room"), "SHADOW_EXCEPTION", {}, 4.0)
    [job] = histories.jobs
    assert [problem.kind for problem in job.problems] == ["repeated", "shadow exception"]
    assert job.spans[-1] == ("queued", 3.0, float("inf"))
