"""What a session's files, its event log and the queue say of its bundles, for whoever attaches to it.

Nothing is kept for this but what there is anyway: ``BUNDLE.calls`` says which calls there are, what their job is
submitted with and what they wait for; ``BUNDLE.outcomes`` what came of them; the event log which jobs there were; the
queue which there are.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from condor_futures import runner, states
from condor_futures.access_point_helper import NEVER_RAN
from condor_futures.bundle import Options
from condor_futures.event_log import EventLog
from condor_futures.payload import read_outcomes
from condor_futures.session import Session

__all__ = ["PROJECTION", "Found", "Recovery", "find_bundles", "judge", "logged_jobs"]

PROJECTION: Final = ["ClusterId", "ProcId", "JobStatus", "HoldReasonCode", "CondorFuturesBundle"]
"""The attributes of jobs that :func:`judge` looks at."""

_REMOVED, _HELD = 3, 5  # JobStatus, as HTCondor numbers it


@dataclass(frozen=True)
class Found:
    """A bundle, as its files have it.

    Attributes:
        key: the bundle's key.
        directory: where its files are.
        options: what its job is submitted with; None where only its outcomes are left.
        calls: the keys of its calls, and for each the keys of the calls whose values it still has to be given.
        after: the keys of calls that it waits for.
        ended: all of its calls have an outcome.

    """

    key: str
    directory: Path
    options: Options | None
    calls: Mapping[str, Sequence[str]]
    after: Sequence[str] = ()
    ended: bool = False

    @property
    def number(self) -> int:
        """The number that its key was made of."""
        return int(self.key[1:])


@dataclass
class Recovery:
    """What is to be done about each bundle.

    Attributes:
        ended: all outcomes are here; with the job that they are of, if that is known.
        under_way: bundle by the job that is its; what became of it, the event log and the queue say.
        pending: they have to be submitted.
        half: jobs in the queue whose files have not arrived, and perhaps never will.
        stray: jobs in the queue that belong to no bundle: copies, and cancelled ones.

    """

    ended: list[tuple[Found, str | None]] = field(default_factory=list)
    under_way: dict[str, Found] = field(default_factory=dict)
    pending: list[Found] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)


def find_bundles(session: Session) -> list[Found]:
    """All bundles of which there is a file, in the order in which they were made."""
    names: dict[str, Path] = {}
    for directory in sorted(session.bundles.iterdir()):
        for path in directory.iterdir():
            if path.suffix in (".calls", ".outcomes"):
                names[path.stem] = directory
            elif path.suffix == ".new":
                path.unlink()  # it was being written when the client ended
    found = (_find(session, key, directory) for key, directory in names.items())
    return sorted((bundle for bundle in found if bundle is not None), key=lambda bundle: bundle.number)


def _find(session: Session, key: str, directory: Path) -> Found | None:
    reported, _ = read_outcomes(directory / f"{key}.outcomes", session=session.id, secret=session.secret)
    path = directory / f"{key}.calls"
    if not path.exists():
        return Found(key, directory, None, dict.fromkeys(reported, ()), ended=True) if reported else None
    options: Options | None = None
    calls: dict[str, list[str]] = {}
    after: list[str] = []
    handed_down: set[str] = set()
    whole = 0
    with path.open("r+b") as file:
        for header, _, end in runner.skim(file):
            whole = end
            match header["kind"]:
                case "bundle":
                    options = Options.from_record(header["options"])
                    after = header.get("after", [])
                case "call":
                    calls[header["call"]] = header.get("parents", [])
                case "outcome":
                    handed_down.add(header["call"])
        if whole < file.seek(0, os.SEEK_END):
            file.truncate(whole)  # a parent's value was being appended
    missing = {call: [parent for parent in parents if parent not in handed_down] for call, parents in calls.items()}
    return Found(key, directory, options, missing, after, ended=reported.keys() >= calls.keys())


def judge(
    bundles: Iterable[Found],
    queue: Iterable[Mapping[str, Any]],
    logged: Mapping[str, Sequence[str]],
    removed: Collection[str] = (),
) -> Recovery:
    """Decide, for each bundle, what became of it.

    Args:
        bundles: all of the session.
        queue: the session's jobs that are in the queue.
        logged: by bundle, the jobs that the event log knows, in its order, without those that never counted.
        removed: jobs that do not count any more.

    """
    recovery = Recovery()
    queued: dict[str, str] = {}
    known = {bundle.key: bundle for bundle in bundles}
    for ad in queue:
        job_id = f"{ad['ClusterId']}.{ad['ProcId']}"
        key = str(ad.get("CondorFuturesBundle", ""))
        if ad["JobStatus"] == _REMOVED:
            continue
        if ad["JobStatus"] == _HELD and ad.get("HoldReasonCode") == states.SPOOLING_INPUT:
            recovery.half.append(job_id)
        elif key in queued or key not in known or known[key].options is None:
            recovery.stray.append(job_id)
        else:
            queued[key] = job_id
    uncounted = {*recovery.half, *recovery.stray, *removed}
    for key, bundle in sorted(known.items(), key=lambda item: item[0] not in queued):
        earlier = [job_id for job_id in logged.get(key, ()) if job_id not in uncounted]
        if key in queued:
            # Also where all outcomes are here: it may have been retrieved and not have left yet, or be tried again.
            recovery.under_way[queued[key]] = bundle
        elif bundle.ended:
            recovery.ended.append((bundle, earlier[-1] if earlier else None))
        elif earlier and earlier[-1] not in recovery.under_way:  # (a schedd that lost its queue gives an id twice)
            recovery.under_way[earlier[-1]] = bundle
        else:
            recovery.pending.append(bundle)
    return recovery


def logged_jobs(event_log: Path) -> dict[str, list[str]]:
    """By bundle, the jobs that the event log knows, without those that never counted."""
    log = EventLog(event_log)
    try:
        jobs: dict[str, list[str]] = {}
        never_ran: set[str] = set()
        for event in log.read():
            if isinstance(event, states.Submitted) and event.bundle:
                jobs.setdefault(event.bundle, []).append(event.job_id)
            elif isinstance(event, states.Aborted) and NEVER_RAN in event.reason:
                never_ran.add(event.job_id)
    finally:
        log.close()
    return {bundle: [job for job in ids if job not in never_ran] for bundle, ids in jobs.items()}
