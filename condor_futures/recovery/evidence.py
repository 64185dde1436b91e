"""What a session's files and its event log say of its bundles."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.execution_point.frames import skim
from condor_futures.options.options import Options
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.submit import attributes

__all__ = [
    "BY_US",
    "PROJECTION",
    "Evidence",
    "Found",
    "LoggedJob",
    "LoggedJobs",
    "Unused",
    "find_bundles",
    "never_ran",
    "unused_numbers",
]


PROJECTION: Final = ["ClusterId", "ProcId", "JobStatus", "HoldReasonCode", attributes.BUNDLE]
"""The attributes of jobs that :func:`judge` looks at."""


BY_US: Final = "condor_futures"
"""With this the reasons of our own removals begin."""


#: The files of a bundle that are read here; ``.new`` as long as they are being written.
_OURS = re.compile(r"(b[0-9]+)\.(calls|outcomes|cancelled)(\.new)?")


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
        counts: False where all its calls were cancelled, or nothing can be read of them: only that their keys are not
            to be given again is of interest.
        retrieved: the outputs of a job are here.

    """

    key: str
    directory: Path
    options: Options | None
    calls: Mapping[str, Sequence[str]]
    after: Sequence[str] = ()
    ended: bool = False
    counts: bool = True
    retrieved: bool = False

    @property
    def number(self) -> int:
        """The number that its key was made of."""
        return int(self.key[1:])


@dataclass
class LoggedJob:
    """What the event log says of one job.

    Attributes:
        job_id: its id, which may have been another job's before it, and another's after it.
        bundle: the key of the bundle that it was submitted for, as its SUBMIT event has it; empty if the log has none.
        events: its own, from that event on.

    """

    job_id: str
    bundle: str
    events: list[states.Event] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Its bundle has not been submitted again in its place."""
        return not any(never_ran(event) for event in self.events)


class LoggedJobs:
    """What the event log says of all jobs there were.

    A schedd that lost its queue counts from 1.0 again, so one id may have been several jobs'. Each of them begins with
    a SUBMIT event, which the schedd writes once for each job; what the log has before it is another's.

    Attributes:
        latest: by job id, the last job that had it.
        of_bundle: by bundle, the jobs that were submitted for it, in the log's order, without those that never counted.
        bundles: the keys of all bundles that a job was submitted for, whether it counts or not.

    """

    def __init__(self, events: Iterable[states.Event]) -> None:
        """Understand the log's *events*, which are all that it has."""
        self.latest: dict[str, LoggedJob] = {}
        jobs: list[LoggedJob] = []
        for event in events:
            if isinstance(event, states.Submitted):
                self.latest[event.job_id] = LoggedJob(event.job_id, event.bundle)
                jobs.append(self.latest[event.job_id])
            self.latest.setdefault(event.job_id, LoggedJob(event.job_id, "")).events.append(event)
        self.bundles = {job.bundle for job in jobs if job.bundle}
        self.of_bundle: dict[str, list[LoggedJob]] = {}
        for job in jobs:
            if job.bundle and job.counts:
                self.of_bundle.setdefault(job.bundle, []).append(job)

    def events(self, job_id: str, bundle: str) -> list[states.Event]:
        """Those of the job *job_id* that is in the queue now, for *bundle*."""
        job = self.latest.get(job_id)
        return job.events if job is not None and job.bundle in ("", bundle) else []


def never_ran(event: states.Event) -> bool:
    """Whether *event* is our own removal of a job that did not count."""
    return isinstance(event, states.Aborted) and NEVER_RAN in event.reason


@dataclass(frozen=True)
class Unused:
    """The numbers from which on no key was made of any: see :func:`unused_numbers`."""

    bundles: int
    calls: int
    clusters: int


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a session whose client left: what :func:`.verdicts.settle` decides from.

    Attributes:
        bundles: all bundles of which there is a file.
        queue: the ads of the session's jobs that are in the queue.
        log: what the event log says.
        logged: by bundle, its jobs that count, from the event log or else from the schedd's history.
        unused: where new keys begin.
        removed: jobs that were removed on attaching, because their input files never arrived.
        told: by bundle, what the schedd's history says of a job that has left the queue.

    """

    bundles: Sequence[Found]
    queue: Sequence[Mapping[str, Any]]
    log: LoggedJobs
    logged: Mapping[str, Sequence[LoggedJob]]
    unused: Unused
    removed: Collection[str] = ()
    told: Mapping[str, Sequence[states.Event]] = field(default_factory=dict)

    @property
    def found(self) -> list[Found]:
        """The bundles whose outcomes count."""
        return [bundle for bundle in self.bundles if bundle.counts]


def unused_numbers(bundles: Collection[Found], history: LoggedJobs, queue: Iterable[Mapping[str, Any]]) -> Unused:
    """Where to go on counting, so that nothing new is taken for what had its key before.

    Of a bundle that was cancelled there is a file with its keys. Where that could not be written, or was lost, the
    event log and the queue may still tell of its job, and calls that were to take its values still name its calls. (Of
    its calls that nobody names, the keys may then be given again: what there is of a call goes by its bundle.)

    Args:
        bundles: all of the session of which there is a file, whether they count or not.
        history: what the event log says.
        queue: the session's jobs that are in the queue.

    """
    files = _first_unused("b", (bundle.key for bundle in bundles))
    jobs = _first_unused("b", (*history.bundles, *(str(ad.get(attributes.BUNDLE, "")) for ad in queue)))
    calls = _first_unused(
        "c",
        (call for bundle in bundles for call in (*bundle.calls, *bundle.after, *chain(*bundle.calls.values()))),
    )
    # Each bundle after the last one that has files had a call at least.
    calls += max(jobs - files, 0)
    clusters = (bundle.options.cluster or "" for bundle in bundles if bundle.options is not None)
    return Unused(max(files, jobs), calls, _first_unused("k", clusters))


def _first_unused(kind: str, keys: Iterable[str]) -> int:
    """The number after the largest that one of *keys* was made of; keys of other kinds do not count."""
    return 1 + max((int(key[1:]) for key in keys if re.fullmatch(kind + "[0-9]+", key)), default=-1)


def find_bundles(session: Session) -> list[Found]:
    """All bundles of which there is a file, in the order in which they were made; files of other names are not ours."""
    files: dict[str, tuple[Path, set[str]]] = {}
    for path in session.bundles.glob("*/*"):
        name = _OURS.fullmatch(path.name)
        if name is None:
            continue
        key, kind, new = name.groups()
        if new:
            path.unlink()  # it was being written when the client ended
        else:
            files.setdefault(key, (path.parent, set()))[1].add(kind)
    found = [_find(session, key, directory, kinds) for key, (directory, kinds) in files.items()]
    known = {call for bundle, _ in found for call in bundle.calls}
    bundles = []
    for bundle, reported in found:
        # Calls of which their outcome only is left: their file was lost, or cut short. (What has the outcome of another
        # bundle's call was exchanged.)
        lost = [call for call in reported if call not in known and re.fullmatch("c[0-9]+", call)]
        known.update(lost)
        calls = {**bundle.calls, **dict.fromkeys(lost, ())}
        counts, ended = bundle.counts and bool(calls), calls.keys() <= set(reported)
        retrieved = (bundle.directory / f"{bundle.key}.stdout").exists()
        bundles.append(replace(bundle, calls=calls, counts=counts, ended=ended, retrieved=retrieved))
    return sorted(bundles, key=lambda bundle: bundle.number)


def _find(session: Session, key: str, directory: Path, kinds: Collection[str]) -> tuple[Found, Collection[str]]:
    """A bundle, with the calls that it is known to have; and those of which there is an outcome that counts."""
    if "cancelled" in kinds:
        text = (directory / f"{key}.cancelled").read_text(errors="replace")
        keys = re.findall("^c[0-9]+$", text, re.MULTILINE)  # none, where a client was killed before it wrote them
        return Found(key, directory, None, dict.fromkeys(keys, ()), counts=False), ()
    reported, _ = read_outcomes(directory / f"{key}.outcomes", session=session.id, secret=session.secret)
    if "calls" not in kinds:
        return Found(key, directory, None, {}), reported
    return Found(key, directory, *_read_calls(directory / f"{key}.calls")), reported


def _read_calls(path: Path) -> tuple[Options | None, dict[str, list[str]], list[str]]:
    """What the calls are submitted with; for each, whose values it still has to be given; what all of them wait for."""
    options: Options | None = None
    calls: dict[str, list[str]] = {}
    after: list[str] = []
    handed_down: set[str] = set()
    whole = 0
    with path.open("r+b") as file:
        for header, _, end in skim(file):
            whole = end
            match header.get("kind"):
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
    return options, missing, after
