"""The numbers of the report, from evidence that a test makes."""

from __future__ import annotations

import math

import pytest
from report_evidence import ended, evidence, failed, job

from condor_futures.session_report.data import COLUMNS, MOST_GROUPS, MOST_MACHINES, ROWS, make_report
from condor_futures.session_report.job_histories import Problem

MIB = 1 << 20


def test_nothing_has_happened():
    report = make_report(evidence(calls=3))
    assert (report.calls, report.succeeded, report.failed) == (3, 0, 0)
    assert report.timeline is report.memory is report.run_times is report.cpu is None
    assert report.failures == report.problems == report.machines == report.quantiles == []


def test_a_warm_job_is_idle_between_its_calls():
    """It has a slot from 10 to 90, and runs calls for 40 seconds of it."""
    warm = job("b000000", ("queued", 0.0, 10.0), ("running", 10.0, 90.0))
    other = job("b000001", ("running", 50.0, math.inf), job_id="1.1")
    calls = [ended(0, 20.0, 40.0), ended(1, 60.0, 80.0), ended(2, 60.0, 70.0, bundle="b000001")]
    report = make_report(evidence(calls, [warm, other], warm=["b000000"]))
    expected = {"queued": 10.0, "transfer": 0.0, "running": 90.0, "idle while warm": 40.0, "held": 0.0}
    assert report.slot_time == pytest.approx(expected)
    timeline = report.timeline
    assert (timeline.begin, timeline.end, timeline.labels, timeline.jobs_per_row) == (0.0, 100.0, ["1.0", "1.1"], 1)
    middle = COLUMNS * 65 // 100
    assert [rows[0][middle] for rows in timeline.cells.values()] == pytest.approx([0, 0, 1, 0, 0], abs=1e-5)
    assert timeline.concurrency["running"][middle] == pytest.approx(2)
    assert timeline.calls[middle] == pytest.approx(2)
    assert (timeline.succeeded[-1], timeline.failed[-1]) == (3, 0)
    assert report.call_time == 50.0


def test_a_job_that_no_log_has_ran_as_long_as_its_calls():
    report = make_report(evidence([ended(0, 5.0, 10.0), ended(1, 12.0, 15.0)], until=15.0))
    assert (report.jobs, report.timeline.labels, report.timeline.begin) == (0, ["b000000"], 5.0)
    assert report.slot_time["running"] == pytest.approx(8.0)


def test_many_jobs_share_rows():
    jobs = [job(f"b{number:06d}", ("running", 0.0, 100.0), job_id=f"1.{number}") for number in range(3 * ROWS)]
    timeline = make_report(evidence(jobs=jobs)).timeline
    assert (len(timeline.labels), timeline.jobs_per_row, timeline.labels[0]) == (ROWS, 3, "1.0 to 1.2")
    assert timeline.cells["running"][0] == pytest.approx([3.0] * COLUMNS)


def test_the_final_outcome_of_a_call_counts_and_the_others_are_attempts():
    outcomes = [
        failed(0, "no", again=True),
        ended(0, 1.0, 3.0),
        ended(0, 1.0, 3.0),  # the same, brought back at the end of the job
        failed(1, "no", again=True),
        failed(1, "never", started=1.0, stopped=2.0, again=True),
        ended(2),
    ]
    report = make_report(evidence(outcomes))
    assert (report.calls, report.succeeded, report.failed, report.again) == (3, 2, 1, 2)
    assert [group.reason for group in report.failures] == ["never"]


def test_failures_are_grouped_by_their_reasons():
    """Numbers and quoted parts do not make a reason another one."""
    outcomes = [failed(number, f"run {number} of 'x{number}'", host=f"ep{number % 2}") for number in range(7)]
    outcomes += [failed(8, "no minimum", traceback="line 3"), ended(9)]
    several, one = make_report(evidence(outcomes)).failures
    assert (several.kind, several.reason, several.count) == ("ValueError", "run 0 of 'x0'", 7)
    assert (several.examples, several.hosts) == ([f"c{number:06d}" for number in range(5)], ["ep0", "ep1"])
    assert (one.reason, one.count, one.examples, one.traceback) == ("no minimum", 1, ["c000008"], "line 3")


def test_there_are_not_more_groups_than_a_page_can_show():
    outcomes = [failed(number, "x" * number) for number in range(2 * MOST_GROUPS)]
    groups = make_report(evidence(outcomes)).failures
    assert len(groups) == MOST_GROUPS + 1
    assert (groups[0].kind, groups[0].count) == ("other reasons", MOST_GROUPS)


def test_what_happened_to_jobs_without_our_own_removals():
    jobs = [
        job(f"b{number}", job_id=f"1.{number}", starts=2, problems=[Problem("held, code 34", f"used {number} MB")])
        for number in range(3)
    ]
    jobs += [job("b3", problems=[Problem("removed", "condor_futures (by user ada)")])]
    jobs += [job("b4", job_id="2.0", problems=[Problem("removed", "via condor_rm (by user ada)")])]
    report = make_report(evidence(jobs=jobs))
    assert [(group.kind, group.count, group.examples) for group in report.problems] == [
        ("held, code 34", 3, ["1.0", "1.1", "1.2"]),
        ("removed", 1, ["2.0"]),
    ]
    assert (report.jobs, report.restarts) == (5, 3)


def test_a_slow_machine_has_enough_calls():
    """One call on ep3 is not enough to call it slow."""
    outcomes = [ended(number, 0.0, 1.0, host="ep1") for number in range(20)]
    outcomes += [ended(number, 0.0, 2.0, host="ep2") for number in range(20, 26)]
    outcomes += [ended(30, 0.0, 9.0, host="ep3"), failed(31, "no", host="ep4")]
    machines = make_report(evidence(outcomes)).machines
    assert [(one.host, one.slow, one.failed) for one in machines] == [
        ("ep2", True, 0),
        ("ep4", False, 1),
        ("ep1", False, 0),
        ("ep3", False, 0),
    ]
    assert (machines[0].median, machines[0].ratio, machines[0].calls) == (2.0, 2.0, 6)


def test_the_memory_of_jobs_is_compared_with_their_requests():
    span = ("running", 0.0, 90.0)
    jobs = [
        job("b0", span, memory=300 * MIB, requested=2048 * MIB),
        job("b1", span, memory=280 * MIB, requested=2048 * MIB),
        job("b2", span, requested=4096 * MIB),
    ]
    memory = make_report(evidence(jobs=jobs)).memory
    assert memory.requests == {2048 * MIB: 2, 4096 * MIB: 1}
    assert (memory.measured, memory.quantile, memory.largest) == ("jobs", 300 * MIB, 300 * MIB)
    assert (memory.suggestion, memory.brief) == (384 * MIB, False)
    assert sum(memory.histogram.counts["jobs"]) == 2


def test_nothing_less_is_suggested_for_brief_jobs_unless_their_calls_were_measured():
    jobs = [job("b0", ("running", 0.0, 3.0), memory=30 * MIB, requested=2048 * MIB)]
    memory = make_report(evidence(jobs=jobs)).memory
    assert (memory.brief, memory.suggestion) == (True, None)
    memory = make_report(evidence([ended(0, 0.0, 3.0, memory=100 * MIB)], jobs)).memory
    assert (memory.brief, memory.suggestion, memory.measured) == (False, 128 * MIB, "jobs and calls")


def test_the_cpu_time_is_compared_with_the_run_time_of_calls_that_have_both():
    report = make_report(evidence([ended(0, 0.0, 4.0, cpu=1.0), ended(1, 0.0, 4.0, cpu=3.0), ended(2, 0.0, 400.0)]))
    assert report.cpu == 0.5
    assert report.waited is None
    assert make_report(evidence([ended(number, waited=float(number)) for number in range(5)])).waited == 2.0
    assert report.quantiles == [4.0, 4.0, 400.0, 400.0]


def test_many_calls_of_many_warm_jobs():
    jobs = [
        job(f"b{number:06d}", ("queued", 0.0, 5.0), ("running", 5.0, 1000.0), job_id=f"1.{number}")
        for number in range(200)
    ]
    outcomes = [
        ended(number, 5.0 + number // 200 * 19, 20.0 + number // 200 * 19, bundle=f"b{number % 200:06d}")
        for number in range(10_000)
    ]
    bundles = [one.bundle for one in jobs]
    report = make_report(evidence(outcomes, jobs, warm=bundles, until=1000.0))
    assert report.succeeded == 10_000
    assert len(report.timeline.labels) <= ROWS
    assert report.slot_time["running"] == pytest.approx(10_000 * 15.0, rel=1e-3)
    assert report.slot_time["idle while warm"] == pytest.approx(200 * 995.0 - 10_000 * 15.0, rel=1e-3)


def test_there_are_not_more_machines_than_a_page_can_show():
    report = make_report(evidence([ended(number, host=f"ep{number}") for number in range(MOST_MACHINES + 7)]))
    assert (len(report.machines), report.other_machines) == (MOST_MACHINES, 7)
