"""The table of a snapshot, and the details of its rows: pure functions."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from condor_futures.access_point.job_info import JobInfo
from condor_futures.sessions import SessionInfo
from condor_futures.status_screen.collector import Snapshot
from condor_futures.status_screen.job_files import Call, JobCalls

__all__ = ["COLUMNS", "Row", "details", "duration", "heading", "is_waiting", "make_rows", "printable", "widths"]

#: The columns, with the widths of their texts in a terminal of 80 columns. What a wider terminal has more is for the
#: column ``call``, and for long names of hosts.
COLUMNS: Final[Mapping[str, int]] = {"job": 9, "state": 8, "call": 24, "host": 8, "time": 8, "memory": 10}
_NARROW: Final = 80
_LONGEST_HOST: Final = 24
#: Rows of one session. Jobs on hold come first, then those that run.
MOST_ROWS: Final = 500
_ORDER: Final = {"held": 0, "running": 1, "transferring output": 1, "suspended": 1}
_WAITS: Final = ("idle", "blocked", "preparing", "spooling")
_SHORT: Final = {"transferring output": "output", "suspended": "suspend", "completed": "complete"}


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        key: identifies the row in later snapshots.
        kind: ``"session"``, ``"jobs"`` (waiting jobs of a cluster), ``"job"``, ``"call"`` (of the job before it) or
            ``"more"`` (jobs without rows).
        cells: the text of each column.
        state: the state of the job, for its colour; nothing for other rows.
        session: the id of the session.
        jobs: the jobs that the row stands for.
        call: the key of the call; nothing for other rows.

    """

    key: str
    kind: str
    cells: Sequence[str]
    state: str = ""
    session: str = ""
    jobs: Sequence[JobInfo] = field(default=(), repr=False)
    call: str = ""


def is_waiting(job: JobInfo) -> bool:
    """Return whether a job waits for its first start: there may be thousands of such jobs, which share a row."""
    return job.state in _WAITS and job.started is None


def duration(time: timedelta) -> str:
    """Return a time span in hours, minutes and seconds.

    >>> duration(timedelta(seconds=3725))
    '1:02:05'

    """
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def printable(text: str) -> str:
    r"""Return the output of a call as lines for the screen: no control characters, and no lines that were overwritten.

    >>> printable("\x1b[31mred\x1b[0m\t1\n10 %\r20 %\r\n\x07")
    'red     1\n20 %\n?'

    """
    lines = []
    for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).split("\n"):
        last = line.rstrip("\r").rpartition("\r")[2].expandtabs()
        lines.append("".join(char if char.isprintable() else "?" for char in last))
    return "\n".join(lines)


def widths(columns: int) -> list[int]:
    """Return the widths of the columns of the table in a terminal with so many *columns*.

    >>> widths(80), sum(widths(120))
    ([9, 8, 24, 8, 8, 10], 107)

    """
    more = max(columns - _NARROW, 0)
    host = min(more // 2, _LONGEST_HOST - COLUMNS["host"])
    given = {**COLUMNS, "host": COLUMNS["host"] + host, "call": COLUMNS["call"] + more - host}
    return list(given.values())


def heading(snapshot: Snapshot) -> str:
    """Return the first line of the screen: the access point, and the number of jobs in each state."""
    counts = Counter(job.state for job in snapshot.jobs)
    jobs = ", ".join(f"{number} {state}" for state, number in sorted(counts.items(), key=lambda item: -item[1]))
    return f"{snapshot.name}: {jobs or 'no jobs'}"


def make_rows(snapshot: Snapshot, expanded: Collection[str] = ()) -> list[Row]:
    """Return the rows of the table.

    Args:
        snapshot: what is known.
        expanded: the keys of the rows of jobs below which their calls are listed.

    """
    rows: list[Row] = []
    ordered = sorted(snapshot.jobs, key=lambda job: job.session)
    for session, members in itertools.groupby(ordered, lambda job: job.session):
        jobs = sorted(members, key=lambda job: (_ORDER.get(job.state, 2), _number(job)))
        rows.append(_session(session, jobs, snapshot))
        groups = [list(group) for _, group in itertools.groupby(jobs, _alike)]
        for group in groups[:MOST_ROWS]:
            rows += _rows_of(group, snapshot, expanded)
        rest = [job for group in groups[MOST_ROWS:] for job in group]
        if rest:
            text = f"and {len(rest)} more jobs"
            rows.append(Row(f"more:{session}", "more", _cells("...", call=text), session=session, jobs=rest))
    return rows


def _number(job: JobInfo) -> tuple[int, ...]:
    return tuple(int(part) for part in job.job_id.split("."))


def _alike(job: JobInfo) -> tuple[str, ...]:
    return (job.job_id.split(".")[0] if is_waiting(job) else job.job_id, job.state)


def _cells(job: str, state: str = "", call: str = "", host: str = "", time: str = "", memory: str = "") -> list[str]:
    return [job, _SHORT.get(state, state), call, host, time, memory]


def _session(session: str, jobs: Sequence[JobInfo], snapshot: Snapshot) -> Row:
    info = snapshot.sessions.get(session)
    ended = ""
    if info is not None and info.calls:
        ended = f"{info.ended}/{info.calls}"
        ended = ended if len(ended) <= COLUMNS["state"] else f"{info.ended / info.calls:.0%}"
    cells = _cells("session", ended, session)
    return Row(f"session:{session}", "session", cells, session=session, jobs=jobs)


def _calls_of_session(info: SessionInfo | None) -> str:
    return f"{info.ended} of {info.calls} calls ended" if info is not None else ""


def _rows_of(jobs: Sequence[JobInfo], snapshot: Snapshot, expanded: Collection[str]) -> Iterator[Row]:
    first = jobs[0]
    if len(jobs) > 1:
        cluster, start = first.job_id.split(".")
        calls = sum(job.calls or 0 for job in jobs)
        text = f"{len(jobs)} jobs" + (f", {calls} calls" if calls else ", warm" if first.warm else "")
        cells = _cells(f"{cluster}.{start}-{jobs[-1].job_id.split('.')[1]}", first.state, text, memory=_memory(first))
        yield Row(f"jobs:{cluster}:{first.state}", "jobs", cells, first.state, first.session, jobs)
        return
    calls_of = snapshot.calls.get(first.job_id, JobCalls())
    names = snapshot.names.get(first.session, {})
    key = f"job:{first.job_id}"
    host = (first.host or "").partition(".")[0]
    time = duration(first.run_time) if first.started is not None else ""
    text = _what(first, calls_of, names)
    cells = _cells(first.job_id, first.state, text, host, time, _memory(first))
    yield Row(key, "job", cells, first.state, first.session, jobs)
    if key in expanded:
        for number, call in enumerate(calls_of.waiting):
            state = "runs" if number == 0 and calls_of.live and first.state == "running" else "waits"
            cells = _cells(f"  {call.key}", state, _call(call, names))
            yield Row(f"call:{first.job_id}:{call.key}", "call", cells, "", first.session, jobs, call.key)


def _what(job: JobInfo, calls: JobCalls, names: Mapping[str, str]) -> str:
    """Return what a job does: the call that it makes now, with its report, or the number of its calls."""
    if calls.waiting and (calls.left == 1 or (calls.live and job.state == "running")):
        parts = [_call(calls.waiting[0], names)]
        if calls.progress is not None:
            parts.append(f"{calls.progress.fraction:.0%} {calls.progress.text}".strip())
        if calls.left > 1:
            parts.append(f"+{calls.left - 1}")
        return " ".join(parts)
    if job.warm:
        return "warm, no call now" if job.state == "running" and calls.live else "warm"
    number = calls.left or job.calls or 0
    return f"{number} call{'' if number == 1 else 's'}"


def _call(call: Call, names: Mapping[str, str]) -> str:
    """Return a call by its name, or the key, and its function.

    >>> _call(Call("c000007", "simulate"), {}), _call(Call("c000008", "simulate"), {"c000008": "run-8"})
    ('c000007 simulate', 'run-8 simulate')

    """
    return f"{names.get(call.key, call.key)} {call.function}".strip()


def _memory(job: JobInfo) -> str:
    """Return the memory that a job uses, and that it requested, in MiB."""
    used = f"{job.memory / 2**20:.0f}" if job.memory is not None else ""
    requested = f"/{job.request_memory / 2**20:.0f} M" if job.request_memory is not None else " M" if used else ""
    return f"{used}{requested}"


def details(row: Row, snapshot: Snapshot, why: Mapping[str, str]) -> list[str]:
    """Return the lines that say more of a row.

    Args:
        row: the row.
        snapshot: what is known.
        why: the reasons why jobs are idle, as far as they have been asked for; by job id.

    """
    if row.kind in ("session", "more"):
        return _details_of_session(row, snapshot.sessions.get(row.session))
    job = row.jobs[0]
    calls = snapshot.calls.get(job.job_id, JobCalls())
    names = snapshot.names.get(job.session, {})
    lines = [_sentence(job, row)]
    if row.kind == "call":
        [call] = [call for call in calls.waiting if call.key == row.call] or [Call(row.call)]
        lines.append(f"call {call.key}: {_call(call, names)}")
    elif row.kind == "job" and calls.waiting:
        first = calls.waiting[0]
        lines.append(f"call {first.key}: {_call(first, names)}")
        if calls.ended or calls.left > 1:
            lines.append(f"of the calls of this job, {calls.ended} ended, and {calls.left - 1} more wait")
    if calls.progress is not None and row.kind == "job":
        lines.append(f"reports {calls.progress.fraction:.0%} {calls.progress.text}")
    if job.hold_reason is not None:
        lines.append(f"held: {job.hold_reason} (code {job.hold_code}, subcode {job.hold_subcode})")
    if job.job_id in why:
        lines.append(f"{job.state}: {why[job.job_id]}")
    return lines


def _details_of_session(row: Row, info: SessionInfo | None) -> list[str]:
    counts = Counter(job.state for job in row.jobs)
    jobs = ", ".join(f"{number} {state}" for state, number in counts.items())
    lines = [f"session {row.session}: {len(row.jobs)} jobs in the queue ({jobs})"]
    if info is None:
        return [*lines, "the directory of the session is not on this machine"]
    user = f"process {info.pid} on {info.client}" if info.pid is not None else "no process"
    lines.append(f"{_calls_of_session(info)}; {user} uses the session{' of the DAG ' + info.dag if info.dag else ''}")
    return [*lines, str(info.directory)]


def _sentence(job: JobInfo, row: Row) -> str:
    """Return where a job is, since when, and what it uses."""
    name = f"job {job.job_id}" if len(row.jobs) == 1 else f"jobs {job.job_id} to {row.jobs[-1].job_id}"
    parts = [f"{name} {job.state}"]
    if job.host is not None:
        parts.append(f"on {job.host}")
    if job.started is not None:
        parts.append(f"since {job.started:%Y-%m-%d %H:%M:%S}")
    else:
        parts.append(f"submitted {job.submitted:%Y-%m-%d %H:%M:%S}")
    if job.disk is not None:
        parts.append(f"disk {job.disk / 2**20:.1f} MiB")
    return ", ".join(parts)
