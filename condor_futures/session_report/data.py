"""The numbers of the report, made from the evidence. This module reads no file and draws nothing."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from condor_futures.recovery.evidence import BY_US
from condor_futures.session_report.distributions import MEMORY_QUANTILE, Histogram, histogram, quantile, suggest_memory
from condor_futures.session_report.evidence import EndedCall, Evidence
from condor_futures.session_report.functions import Function, Graph, functions, graph
from condor_futures.session_report.job_histories import STATES, JobHistory
from condor_futures.session_report.occupancy import Occupancy
from condor_futures.sessions import SessionInfo

__all__ = ["Group", "Machine", "Memory", "Report", "Timeline", "make_report"]

ROWS: Final = 120
COLUMNS: Final = 480
MOST_GROUPS: Final = 50
MOST_EXAMPLES: Final = 5
MOST_MACHINES: Final = 30
SLOW: Final = 1.5
"""A machine is slow if its median run time is at least this many times that of all calls."""
ENOUGH: Final = 5
"""A machine with fewer calls is not called slow."""
BRIEF: Final = 60.0
"""HTCondor measures the memory of jobs at intervals. For jobs that run for fewer seconds, its values are too low."""


@dataclass(frozen=True)
class Timeline:
    """The states of the jobs over time.

    Attributes:
        begin: the start of the first column, in seconds since 1970.
        end: the end of the last column.
        labels: what each row shows: a job, or the first and the last of several.
        jobs_per_row: the number of jobs in a row; the last row may have fewer.
        cells: by state, by row, by column: the mean number of jobs of the row that were in the state.
        calls: by column, the mean number of calls that were running.
        succeeded: by column, the number of calls that had succeeded at its end.
        failed: by column, the number of calls that had failed at its end.

    """

    begin: float
    end: float
    labels: Sequence[str]
    jobs_per_row: int
    cells: Mapping[str, Sequence[Sequence[float]]]
    calls: Sequence[float]
    succeeded: Sequence[float]
    failed: Sequence[float]

    @property
    def concurrency(self) -> dict[str, list[float]]:
        """By state, by column: the mean number of all jobs in the state."""
        return {state: [sum(column) for column in zip(*rows, strict=True)] for state, rows in self.cells.items()}


@dataclass(frozen=True)
class Memory:
    """The memory that jobs, and calls if they were measured, needed; in bytes.

    Attributes:
        histogram: how many jobs and calls needed how much.
        requests: how many jobs requested how much.
        measured: what was measured: ``"jobs"``, ``"calls"``, or both.
        quantile: 99 % of these needed at most this.
        largest: the largest need.
        suggestion: what to request; None if that is less than was requested and *brief*.
        brief: whether HTCondor's values are too low, because most jobs ran for less than a minute.

    """

    histogram: Histogram
    requests: Mapping[int, int]
    measured: str
    quantile: int
    largest: int
    suggestion: int | None
    brief: bool


@dataclass(frozen=True)
class Group:
    """Failures with the same reason.

    Attributes:
        kind: the type of the exception, or what happened to the job.
        reason: the message of the first of them.
        count: how many there are.
        examples: the keys of a few calls, or the ids of a few jobs.
        hosts: the machines on which the calls failed.
        traceback: the end of the first traceback; may be empty.

    """

    kind: str
    reason: str
    count: int
    examples: Sequence[str]
    hosts: Sequence[str]
    traceback: str = ""


@dataclass(frozen=True)
class Machine:
    """The calls that ended on one machine.

    Attributes:
        host: the machine.
        calls: how many calls ended there.
        failed: how many of them failed.
        median: the median run time, in seconds; None if no run time is known.
        ratio: *median*, divided by the median of all calls; None if that is not known.
        slow: whether it is slow, see :data:`SLOW`.

    """

    host: str
    calls: int
    failed: int
    median: float | None
    ratio: float | None
    slow: bool


@dataclass(frozen=True)
class Report:
    """All numbers of the report.

    Attributes:
        info: what the session's directory says.
        until: the time up to which the evidence goes, in seconds since 1970.
        calls: how many calls the session has.
        succeeded: how many of them returned a value.
        failed: how many failed, including those whose parents failed.
        again: how many attempts of calls were repeated with ``max_retries``, as far as their outcomes are known.
        jobs: how many jobs were submitted.
        restarts: how often a job was started again.
        slot_time: by state, the time of all jobs together, in seconds.
        call_time: the run time of all calls together, in seconds.
        cpu: the CPU time of the calls of which it is known, divided by their run time; None if it is not known.
        waited: the median time from the submission of a call to its start, in seconds; None if it is not known.
        run_times: the histogram of the run times, with the series ``"succeeded"`` and ``"failed"``.
        quantiles: the run times that 5, 50, 95 and 100 % of the calls did not exceed, in seconds; may be empty.
        timeline: the states of the jobs over time; None if nothing has happened.
        memory: the memory of the jobs; None if none was measured.
        failures: the calls that failed, the most frequent reason first.
        problems: the jobs that were held, evicted, repeated or removed.
        machines: the machines, slow ones and those with most failures first.
        other_machines: how many machines *machines* leaves out.
        functions: the functions, those that ran longest in total first.
        graph: how the calls depend on each other; None if no call waits for another, or if the graph is too large.
        dependent: how many calls wait for others.

    """

    info: SessionInfo
    until: float
    calls: int
    succeeded: int
    failed: int
    again: int
    jobs: int
    restarts: int
    slot_time: Mapping[str, float]
    call_time: float
    cpu: float | None
    waited: float | None
    run_times: Histogram | None
    quantiles: Sequence[float]
    timeline: Timeline | None
    memory: Memory | None
    failures: Sequence[Group]
    problems: Sequence[Group]
    machines: Sequence[Machine]
    other_machines: int
    functions: Sequence[Function]
    graph: Graph | None
    dependent: int


def make_report(evidence: Evidence) -> Report:
    """Return the numbers of the report."""
    ended = _last_attempts(evidence.outcomes)
    failed = [call for call in ended if call.result != "value"]
    times: dict[str, list[float]] = {"succeeded": [], "failed": []}
    for call in ended:
        if call.run_time is not None:
            times["succeeded" if call.result == "value" else "failed"].append(call.run_time)
    all_times = sorted(times["succeeded"] + times["failed"])
    measured = [(call.cpu, call.run_time) for call in ended if call.cpu is not None and call.run_time]
    wall = sum(time for _, time in measured)
    waits = sorted(call.waited for call in ended if call.waited is not None)
    jobs = _jobs(evidence, ended)
    timeline, slot_time = _timeline(jobs, ended, evidence.warm, evidence.until)
    machines = _machines(ended, quantile(all_times, 0.5) if all_times else None)
    attempts = {(call.call, call.started) for call in evidence.outcomes if call.again}
    return Report(
        evidence.info,
        evidence.until,
        max(evidence.info.calls, len(ended)),
        len(ended) - len(failed),
        len(failed),
        len(attempts - {(call.call, call.started) for call in ended}),
        len(evidence.jobs),
        sum(max(job.starts - 1, 0) for job in evidence.jobs),
        slot_time,
        math.fsum(all_times),
        math.fsum(cpu for cpu, _ in measured) / wall if wall else None,
        quantile(waits, 0.5) if waits else None,
        histogram(times),
        [quantile(all_times, part) for part in (0.05, 0.5, 0.95, 1.0)] if all_times else [],
        timeline,
        _memory(evidence.jobs, ended, evidence.until),
        _groups(_Failure(call.error, call.message, call.call, call.host, call.traceback) for call in failed),
        _groups(
            _Failure(problem.kind, problem.reason, job.job_id)
            for job in evidence.jobs
            for problem in job.problems
            if not (problem.kind == "removed" and problem.reason.startswith(BY_US))
        ),
        machines[:MOST_MACHINES],
        max(len(machines) - MOST_MACHINES, 0),
        functions(ended),
        graph(evidence.parents, ended),
        len(evidence.parents),
    )


def _last_attempts(outcomes: Iterable[EndedCall]) -> list[EndedCall]:
    """Return one outcome of each call: the first that is final, or else the last that there is."""
    chosen: dict[str, EndedCall] = {}
    for call in outcomes:
        before = chosen.get(call.call)
        if before is None or (before.again and (not call.again or (call.ended or 0.0) > (before.ended or 0.0))):
            chosen[call.call] = call
    return sorted(chosen.values(), key=lambda call: call.ended or 0.0)


def _jobs(evidence: Evidence, ended: Iterable[EndedCall]) -> list[JobHistory]:
    """Return all jobs. A job that no event log has, but whose calls ended, ran as long as they did."""
    logged = {job.bundle for job in evidence.jobs}
    others: dict[str, JobHistory] = {}
    for call in ended:
        if call.bundle not in logged and call.started is not None and call.ended is not None:
            job = others.setdefault(call.bundle, JobHistory(call.bundle, call.bundle, call.started))
            job.submitted = min(job.submitted, call.started)
            job.spans.append(("running", call.started, call.ended))
    return sorted([*evidence.jobs, *others.values()], key=lambda job: job.submitted)


def _timeline(
    jobs: Sequence[JobHistory], ended: Sequence[EndedCall], warm: frozenset[str], until: float
) -> tuple[Timeline | None, dict[str, float]]:
    """Return the timeline, and the time of all jobs in each state."""
    slot_time = dict.fromkeys(STATES, 0.0)
    if not jobs:
        return None, slot_time
    begin = jobs[0].submitted
    end = max(until, begin + 1e-3)
    per_row = math.ceil(len(jobs) / ROWS)
    groups = [jobs[at : at + per_row] for at in range(0, len(jobs), per_row)]
    row_of = {job.bundle: number for number, group in enumerate(groups) for job in group if job.bundle in warm}
    busy = [Occupancy(begin, end, COLUMNS) for _ in groups]  # calls of warm jobs
    calls, done = Occupancy(begin, end, COLUMNS), {"value": [0] * COLUMNS, "": [0] * COLUMNS}
    for call in ended:
        if call.started is None or call.ended is None:
            continue
        calls.add(call.started, call.ended)
        if call.bundle in row_of:
            busy[row_of[call.bundle]].add(call.started, call.ended)
        column = min(max(int((call.ended - begin) / (end - begin) * COLUMNS), 0), COLUMNS - 1)
        done["value" if call.result == "value" else ""][column] += 1
    cells: dict[str, list[list[float]]] = {state: [] for state in STATES}
    for group, of_calls in zip(groups, busy, strict=True):
        spans = {state: Occupancy(begin, end, COLUMNS) for state in STATES}
        for job in group:
            for state, start, stop in job.spans:
                spans["idle while warm" if state == "running" and job.bundle in warm else state].add(start, stop)
        row = {state: occupancy.means() for state, occupancy in spans.items()}
        # A warm job makes one call after the other. Its clock may differ from that of the access point.
        working = [min(present, used) for present, used in zip(row["idle while warm"], of_calls.means(), strict=True)]
        row["idle while warm"] = [present - used for present, used in zip(row["idle while warm"], working, strict=True)]
        row["running"] = [one + other for one, other in zip(row["running"], working, strict=True)]
        for state, means in row.items():
            cells[state].append([round(mean, 6) for mean in means])
            slot_time[state] += math.fsum(means) * (end - begin) / COLUMNS
    labels = [_label(group) for group in groups]
    counts = [_sums(done["value"]), _sums(done[""])]
    return Timeline(begin, end, labels, per_row, cells, calls.means(), *counts), slot_time


def _label(group: Sequence[JobHistory]) -> str:
    return group[0].job_id if len(group) == 1 else f"{group[0].job_id} to {group[-1].job_id}"


def _sums(counts: Iterable[int]) -> list[float]:
    total = 0
    return [total := total + count for count in counts]


def _memory(jobs: Iterable[JobHistory], ended: Iterable[EndedCall], until: float) -> Memory | None:
    jobs = list(jobs)
    of_jobs = sorted(job.memory for job in jobs if job.memory is not None)
    of_calls = sorted(call.memory for call in ended if call.memory is not None)
    needs = of_jobs or of_calls
    if not needs:
        return None
    # A brief job is measured once, or not at all while its call needs most; its call measures itself.
    suggestion = max(suggest_memory(values) for values in (of_jobs, of_calls) if values)
    shown = histogram({"jobs": of_jobs, "calls": of_calls})
    assert shown is not None
    run_times = sorted(
        math.fsum(min(stop, until) - start for state, start, stop in job.spans if state == "running")
        for job in jobs
        if job.memory is not None
    )
    brief = bool(run_times) and quantile(run_times, 0.5) < BRIEF and not of_calls
    requests: Counter[int] = Counter(job.requested for job in jobs if job.requested is not None)
    return Memory(
        shown,
        dict(requests.most_common(5)),
        " and ".join(name for name, values in (("jobs", of_jobs), ("calls", of_calls)) if values),
        max(quantile(values, MEMORY_QUANTILE) for values in (of_jobs, of_calls) if values),
        max(*of_jobs[-1:], *of_calls[-1:], 0),
        None if brief and suggestion < max(requests, default=0) else suggestion,
        brief,
    )


class _Failure(NamedTuple):
    """One failure: of the call, or of the job, with the key *of*."""

    kind: str
    reason: str
    of: str
    host: str = ""
    traceback: str = ""


def _groups(failures: Iterable[_Failure]) -> list[Group]:
    """Group failures whose reasons differ in numbers and quoted or hexadecimal parts only; the largest group first."""
    groups: dict[tuple[str, str], list[_Failure]] = {}
    for failure in failures:
        key = failure.kind, _alike(failure.reason)
        groups.setdefault(key if key in groups or len(groups) < MOST_GROUPS else ("other reasons", ""), []).append(
            failure
        )
    found = []
    for (kind, _), members in groups.items():
        examples = list(dict.fromkeys(one.of for one in members))[:MOST_EXAMPLES]
        hosts = sorted({one.host for one in members} - {""})
        found.append(Group(kind, members[0].reason, len(members), examples, hosts, members[0].traceback))
    return sorted(found, key=lambda group: -group.count)


def _alike(reason: str) -> str:
    """Return what reasons of one group have in common.

    >>> _alike("run 17 failed at 0x7f3a, in '/tmp/dir_99/x'") == _alike("run 3 failed at 0xbeef, in '/tmp/dir_1/y'")
    True

    """
    return re.sub(r"'[^']*'|\"[^\"]*\"|\b0x[0-9a-fA-F]+|\d+(?:\.\d+)*", "#", reason[:500])


def _machines(ended: Iterable[EndedCall], overall: float | None) -> list[Machine]:
    by_host: dict[str, list[EndedCall]] = {}
    for call in ended:
        by_host.setdefault(call.host, []).append(call)
    machines = []
    for host, calls in by_host.items():
        times = sorted(call.run_time for call in calls if call.run_time is not None)
        median = quantile(times, 0.5) if times else None
        ratio = median / overall if median is not None and overall else None
        slow = ratio is not None and ratio >= SLOW and len(times) >= ENOUGH
        failed = sum(call.result != "value" for call in calls)
        machines.append(Machine(host, len(calls), failed, median, ratio, slow))
    return sorted(
        machines, key=lambda one: (not one.slow, -(one.ratio or 0.0) if one.slow else 0, -one.failed, -one.calls)
    )
