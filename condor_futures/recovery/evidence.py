"""The evidence about a session's bundles in its files and its event log."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from condor_futures.access_point.helper.words import NEVER_RAN
from condor_futures.calls.bundle import Place
from condor_futures.calls.failed_calls import find_failed
from condor_futures.calls.lines import Line, Notes, find_lines, find_streamed
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
"""The job attributes that :func:`judge` uses."""


BY_US: Final = "condor_futures"
"""The remove reasons of our own removals begin with this."""


#: The files of a bundle that are read here; ``.new`` while they are being written.
_OURS = re.compile(r"(b[0-9]+)\.(calls|outcomes|cancelled)(\.new)?")


@dataclass(frozen=True)
class Found:
    """A bundle, according to its files.

    Attributes:
        key: the key of the bundle.
        directory: the directory of its files.
        options: the options of its job; None if only its outcomes are left.
        calls: the keys of its calls, each with the keys of the calls whose values are still missing in its file.
        after: the keys of the calls that it waits for.
        ended: whether all its calls have an outcome.
        counts: False if all its calls were cancelled, or none of them can be read. Such a bundle only reserves keys.
        retrieved: whether the outputs of a job are in the directory.
        places: by call, the outcomes that a warm job wrote: the file, where the outcome begins, and the job's bundle.
        shared: the names of the shared objects that its calls take, in order.
        gone: the keys of calls that are not to be made, because they were cancelled, or that a newer bundle has.
        stream: the directory that the job of a closed bundle writes outcomes to as its calls end; None if it does not.
        line: what an open bundle's job and the client wrote to each other; None for a closed bundle. Its *calls* are
            those that only the outcome is left of.

    """

    key: str
    directory: Path
    options: Options | None
    calls: Mapping[str, Sequence[str]]
    after: Sequence[str] = ()
    ended: bool = False
    counts: bool = True
    retrieved: bool = False
    places: Mapping[str, Place] = field(default_factory=dict)
    gone: Sequence[str] = ()
    line: Line | None = None
    shared: Sequence[str] = ()
    stream: Path | None = None

    @property
    def number(self) -> int:
        """The number in its key."""
        return int(self.key[1:])


@dataclass
class LoggedJob:
    """The events of one job in the event log.

    Attributes:
        job_id: the id of the job. Other jobs may have had the same id before, or have it later.
        bundle: the key of its bundle, from its SUBMIT event; empty if the log has no such event.
        events: its events, from the SUBMIT event on.

    """

    job_id: str
    bundle: str
    events: list[states.Event] = field(default_factory=list)

    @property
    def counts(self) -> bool:
        """Whether the job counts, that is, was not removed to submit its bundle again."""
        return not any(never_ran(event) for event in self.events)


_Files = tuple[Found, Collection[str]]
"""A bundle, and the keys of the calls that have an outcome beside its calls."""


class LoggedJobs:
    """All jobs in the event log.

    A schedd that lost its queue starts again at job 1.0, so several jobs may have had the same id. The schedd writes
    one SUBMIT event for each job; earlier events with its id belong to another job.

    Attributes:
        latest: by job id, the last job with this id.
        of_bundle: by bundle, the jobs that were submitted for it, in the order of the log, without jobs that do not
            count.
        bundles: the keys of all bundles that a job was submitted for, whether the job counts or not.

    """

    def __init__(self, events: Iterable[states.Event]) -> None:
        """Assign all *events* of the log to jobs."""
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
        """Return the events of the job *job_id* that is in the queue now for *bundle*."""
        job = self.latest.get(job_id)
        return job.events if job is not None and job.bundle in ("", bundle) else []


def never_ran(event: states.Event) -> bool:
    """Return whether *event* is our own removal of a job that did not count."""
    return isinstance(event, states.Aborted) and NEVER_RAN in event.reason


@dataclass(frozen=True)
class Unused:
    """The first numbers that no key has used yet, see :func:`unused_numbers`."""

    bundles: int
    calls: int
    clusters: int


@dataclass(frozen=True)
class Evidence:
    """All evidence about a session whose client left; :func:`.verdicts.settle` decides from it.

    Attributes:
        bundles: all bundles that have a file.
        queue: the ads of the session's jobs in the queue.
        log: the jobs in the event log.
        logged: by bundle, its jobs that count, from the event log or else from the schedd's history.
        unused: the first unused numbers for keys.
        removed: jobs that were removed on attaching, because their input files never arrived.
        told: by bundle, the events that the schedd's history has of a job that left the queue.

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
    """Return the first numbers for new keys, so that no key is used twice.

    A cancelled bundle has a file with its keys. If that file could not be written, or was lost, the event log and the
    queue may still have its job, and calls that depend on its calls still have their keys. (Keys of its other calls may
    then be used again. This does no harm, because the files of a call are named by its bundle.)

    Args:
        bundles: all bundles of the session that have a file, whether they count or not.
        history: the jobs in the event log.
        queue: the ads of the session's jobs in the queue.

    """
    files = _first_unused("b", (bundle.key for bundle in bundles))
    jobs = _first_unused("b", (*history.bundles, *(str(ad.get(attributes.BUNDLE, "")) for ad in queue)))
    calls = _first_unused(
        "c",
        (
            call
            for bundle in bundles
            for call in (*bundle.calls, *bundle.gone, *bundle.after, *chain(*bundle.calls.values()))
        ),
    )
    # Each bundle after the last one that has files had at least one call.
    calls += max(jobs - files, 0)
    clusters = (bundle.options.cluster or "" for bundle in bundles if bundle.options is not None)
    return Unused(max(files, jobs), calls, _first_unused("k", clusters))


def _first_unused(kind: str, keys: Iterable[str]) -> int:
    """Return one more than the largest number in those of *keys* that are of this *kind*."""
    return 1 + max((int(key[1:]) for key in keys if re.fullmatch(kind + "[0-9]+", key)), default=-1)


def find_bundles(session: Session) -> list[Found]:
    """Return all bundles that have a file, in the order of their creation; files with other names are ignored."""
    files: dict[str, tuple[Path, set[str]]] = {}
    for path in session.bundles.glob("*/*"):
        name = _OURS.fullmatch(path.name)
        if name is None:
            continue
        key, kind, new = name.groups()
        if new:
            path.unlink()  # the client exited while it wrote this file
        else:
            files.setdefault(key, (path.parent, set()))[1].add(kind)
    notes = Notes.of(session)
    lines = find_lines(session, notes)
    failed = find_failed(session)
    found = [
        _find(session, key, directory, kinds if key not in lines else kinds - {"outcomes"})
        for key, (directory, kinds) in files.items()
    ]
    found = _made_once(found, notes.cancelled)
    known = {call for bundle, _ in found for call in bundle.calls}
    made = {call: (*place, key) for key, line in lines.items() for call, place in line.outcomes.items()}
    bundles = []
    for bundle, own in found:
        line = lines.get(bundle.key)
        orphans = line.outcomes if line is not None else ()
        places = {
            call: made[call]
            for call in (*bundle.calls, *orphans)
            if call in made and (call not in known or call in bundle.calls)
        }
        stream = session.streams / bundle.key if bundle.options is not None and bundle.options.streams else None
        if stream is not None:
            streamed = find_streamed(stream, session, bundle.calls)
            places.update((call, (*place, "")) for call, place in streamed.items() if call not in own)
        if line is None:
            places.update((call, (*failed[call], "")) for call in bundle.calls if call in failed and call not in places)
        reported = [*own, *places]
        # Calls that have only an outcome: their file was lost or truncated. (An outcome of another bundle's call means
        # that files were exchanged; it does not count.)
        lost = [call for call in reported if call not in known and re.fullmatch("c[0-9]+", call)]
        known.update(lost)
        calls = {**bundle.calls, **dict.fromkeys(lost, ())}
        counts = bundle.counts and (bool(calls) or line is not None)
        ended = calls.keys() <= set(reported)
        # A warm job was given a call of it: the calls that it waits for have ended.
        after = () if any(call in notes.holders for call in bundle.calls) else bundle.after
        retrieved = (bundle.directory / f"{bundle.key}.stdout").exists()
        bundle = replace(bundle, calls=calls, after=after, counts=counts, ended=ended, retrieved=retrieved)  # noqa: PLW2901
        bundles.append(replace(bundle, places=places, line=line, stream=stream))
    return sorted(bundles, key=lambda bundle: bundle.number)


def _made_once(found: list[_Files], cancelled: Mapping[str, Collection[str]]) -> list[_Files]:
    """Leave out calls that were *cancelled*, and those that a newer bundle has.

    A call for warm jobs moves to a file of its own if warm jobs turn out to be impossible. If the client was killed
    before it noted that, both files have the call.
    """
    newest = {
        call: bundle.number for bundle, _ in sorted(found, key=lambda one: one[0].number) for call in bundle.calls
    }
    made = []
    for bundle, own in found:
        gone = {call for call in bundle.calls if newest[call] != bundle.number} | set(cancelled.get(bundle.key, ()))
        calls = {call: parents for call, parents in bundle.calls.items() if call not in gone}
        left = replace(bundle, calls=calls, gone=sorted(gone), counts=bundle.counts and not (gone and not calls))
        made.append((left, own))
    return made


def _find(session: Session, key: str, directory: Path, kinds: Collection[str]) -> _Files:
    """Return a bundle with its known calls, and the keys of the calls that have an outcome that counts."""
    if "cancelled" in kinds:
        text = (directory / f"{key}.cancelled").read_text(errors="replace")
        keys = re.findall("^c[0-9]+$", text, re.MULTILINE)  # empty if the client was killed before it wrote them
        return Found(key, directory, None, dict.fromkeys(keys, ()), counts=False), ()
    reported, _ = read_outcomes(directory / f"{key}.outcomes", session=session.id, secret=session.secret)
    if "calls" not in kinds:
        return Found(key, directory, None, {}), reported
    return _read_calls(key, directory), reported


def _read_calls(key: str, directory: Path) -> Found:
    """Return a bundle according to its file of calls.

    A parent is missing if its value has not been appended to the file yet.
    """
    options: Options | None = None
    calls: dict[str, list[str]] = {}
    after: list[str] = []
    shared: set[str] = set()
    handed_down: set[str] = set()
    whole = 0
    with (directory / f"{key}.calls").open("r+b") as file:
        for header, _, end in skim(file):
            whole = end
            match header.get("kind"):
                case "bundle":
                    options = Options.from_record(header["options"])
                    after = header.get("after", [])
                    shared.update(header.get("shared", ()))
                case "call":
                    calls[header["call"]] = header.get("parents", [])
                    shared.update(header.get("shared", ()))
                case "outcome":
                    handed_down.add(header["call"])
        if whole < file.seek(0, os.SEEK_END):
            file.truncate(whole)  # a parent's value was being appended
    missing = {call: [parent for parent in parents if parent not in handed_down] for call, parents in calls.items()}
    return Found(key, directory, options, missing, after, shared=sorted(shared))
