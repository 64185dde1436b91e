"""The judgements about the probe job, and about the sessions that were left: pure functions to findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from condor_futures.access_point.location import Location
from condor_futures.doctor.findings import Finding, Level, plural, seconds, size
from condor_futures.doctor.probe import Probed
from condor_futures.errors import CredentialError, JobCrashedError, JobHeldError, PythonMismatchError
from condor_futures.sessions import SessionInfo

__all__ = ["judge_probe", "judge_sessions"]

_NO_PYTHON = 127  # the exit status of the runner's shell


def judge_probe(probed: Probed, location: Location, python: str) -> Iterator[Finding]:
    """Yield the findings about the probe job: that it ran, its Python, the event log, and warm jobs.

    Args:
        probed: what the probe found out.
        location: of the schedd.
        python: the minor version of the client's Python.

    """
    if probed.state:
        yield _given_up(probed)
    elif probed.error is not None:
        yield _failed(probed, probed.error)
    else:
        yield _ran(probed)
        look = probed.look
        sentence = f"the job ran with Python {look['python']} ({look['executable']}) on {look['host']}"
        yield Finding("Python", Level.OK, sentence, {**look, "client": python})
        yield _event_log(probed, location)
        yield _warm_jobs(probed, location)


def _ran(probed: Probed) -> Finding:
    times = probed.times
    steps = {
        "match": times.match,
        "transfer of the input": times.transfer,
        "start": times.start,
    }
    parts = [f"{name} {seconds(time)}" for name, time in steps.items() if time is not None]
    of = f", of which {', '.join(parts)}" if parts else ""
    sentence = f"the job {probed.job_id} ran, and its result came after {seconds(probed.waited)}{of}"
    return Finding("probe job", Level.OK, sentence, {"job_id": probed.job_id, "seconds": asdict(times)})


def _given_up(probed: Probed) -> Finding:
    details = {"job_id": probed.job_id, "state": probed.state, "why_idle": probed.why_idle}
    job = f"the job {probed.job_id or 'of the probe'}"
    if probed.hopeless:
        sentence = (
            f"{job} can never run here: {probed.why_idle}; request what the pool has, or correct the requirements"
        )
    elif probed.state == "idle":
        advice = "wait (--timeout), or ask the site"
        sentence = f"{job} was still idle after {seconds(probed.waited)}: {probed.why_idle}; {advice}"
    else:
        sentence = f"{job} had no result after {seconds(probed.waited)}: it was {probed.state}; wait longer (--timeout)"
    return Finding("probe job", Level.FAILED, sentence, details)


def _failed(probed: Probed, error: BaseException) -> Finding:
    details: dict[str, Any] = {"job_id": probed.job_id, "error": str(error), "type": type(error).__name__}
    if isinstance(error, PythonMismatchError) or (
        isinstance(error, JobCrashedError) and error.exit_status == _NO_PYTHON
    ):
        return Finding("Python", Level.FAILED, str(error), details)
    if isinstance(error, CredentialError):
        return Finding("credentials", Level.FAILED, str(error), details)
    if isinstance(error, JobHeldError):
        details |= {"code": error.code, "subcode": error.subcode}
    return Finding("probe job", Level.FAILED, f"it failed: {error}", details)


def _event_log(probed: Probed, location: Location) -> Finding:
    details = {"logged": probed.logged}
    if probed.logged:
        sentence = "the access point sees the session directory, and writes the event log there"
        return Finding("event log", Level.OK, sentence, details)
    why = (
        "the user that it runs as may not enter the directory, or it has other file systems"
        if location.is_here
        else "it is another machine, with other file systems"
    )
    sentence = (
        f"the access point does not see the session directory ({why}): jobs run, but the executor learns of their "
        "progress from queries of the queue, and spool=False is not possible; if both have a common directory, pass it "
        "as session=, or set XDG_STATE_HOME to it"
    )
    return Finding("event log", Level.WARNING, sentence, details)


def _warm_jobs(probed: Probed, location: Location) -> Finding:
    details = {"tried": probed.warm is not None, "why_not": probed.why_not_warm, "seconds": probed.warm_call}
    if probed.warm_call is not None:
        return Finding("warm jobs", Level.OK, f"yes; a call in one takes {seconds(probed.warm_call)}", details)
    if probed.why_not_warm:
        return Finding("warm jobs", Level.WARNING, f"no: {probed.why_not_warm}", details)
    if not location.is_here:
        why = "no: the schedd would have to be on this machine; use map(..., chunksize=...) for short calls"
        return Finding("warm jobs", Level.NOTE, why, {**details, "why_not": why})
    if not probed.logged:
        why = "no: the access point does not see the session directory; use map(..., chunksize=...) for short calls"
        return Finding("warm jobs", Level.NOTE, why, {**details, "why_not": why})
    sentence = "not tried, as they are off by default here; `doctor --warm` tries one, and warm=20 switches them on"
    return Finding("warm jobs", Level.NOTE, sentence, details)


def judge_sessions(sessions: Sequence[SessionInfo]) -> Finding:
    """Judge the sessions in the default places that no process uses."""
    left = [session for session in sessions if session.state == "left"]
    finished = [session for session in sessions if session.state == "finished"]
    if not left and not finished:
        return Finding("sessions", Level.OK, "none were left behind", {"left": [], "finished": []})
    parts, fix = [], ""
    if left:
        what = f"{plural(len(left), 'session')} with unfinished calls ({size(sum(each.size for each in left))})"
        parts.append(f"{what} wait for attach(), or `condor-futures purge`")
    if finished:
        what = f"{plural(len(finished), 'finished session')} ({size(sum(each.size for each in finished))})"
        parts.append(f"{what} remain until `condor-futures purge --finished` (or --fix)")
        fix = "remove sessions"
    details = {"left": [each.id for each in left], "finished": [each.id for each in finished]}
    return Finding("sessions", Level.WARNING, "; ".join(parts), details, fix)
