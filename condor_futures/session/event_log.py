"""HTCondor's job event log, as our own small events."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import htcondor2
from htcondor2 import JobEventType

from condor_futures.state_machine import states

__all__ = ["EventLog", "translate"]

logger = logging.getLogger(__name__)

#: The note that submit_event_user_notes leaves in each SUBMIT event; see submit_description.describe.
_NOTE = "bundle="


def _submitted(job: str, event: Mapping[str, Any]) -> states.Event:
    notes = str(event.get("UserNotes", ""))
    return states.Submitted(job, notes.removeprefix(_NOTE).strip() if notes.startswith(_NOTE) else "")


def _executing(job: str, event: Mapping[str, Any]) -> states.Event:
    # SlotName is slot1_2@host; ExecuteHost is an address.
    slot = str(event.get("SlotName", ""))
    return states.Executing(job, slot.rpartition("@")[2] or str(event.get("ExecuteHost", "")))


def _terminated(job: str, event: Mapping[str, Any]) -> states.Event:
    if event.get("TerminatedNormally", True):
        return states.Terminated(job, exit_status=int(event.get("ReturnValue", 0)))
    return states.Terminated(job, signal=int(event.get("TerminatedBySignal", 0)))


def _held(job: str, event: Mapping[str, Any]) -> states.Event:
    return states.Held(
        job,
        int(event.get("HoldReasonCode", 0)),
        int(event.get("HoldReasonSubCode", 0)),
        str(event.get("HoldReason", "")),
    )


_TRANSLATIONS: dict[JobEventType, Callable[[str, Mapping[str, Any]], states.Event]] = {
    JobEventType.SUBMIT: _submitted,
    JobEventType.EXECUTE: _executing,
    JobEventType.JOB_EVICTED: lambda job, _: states.Evicted(job),
    JobEventType.JOB_RECONNECT_FAILED: lambda job, _: states.Evicted(job),
    JobEventType.JOB_TERMINATED: _terminated,
    JobEventType.JOB_ABORTED: lambda job, event: states.Aborted(job, str(event.get("Reason", ""))),
    JobEventType.JOB_HELD: _held,
    JobEventType.JOB_RELEASED: lambda job, _: states.Released(job),
    JobEventType.SHADOW_EXCEPTION: lambda job, event: states.ShadowException(job, str(event.get("Message", ""))),
}


def translate(event: htcondor2.JobEvent) -> states.Event:
    """One event of HTCondor's as one of ours; those without a meaning of their own become a Note."""
    job = f"{event.cluster}.{event.proc}"
    translation = _TRANSLATIONS.get(event.type)
    return translation(job, event) if translation else states.Note(job)


class EventLog:
    """Reads what was appended to a job event log since it was last read.

    It never waits: ``JobEventLog`` can wait for whole seconds only, and a thread inside it cannot be woken. A read
    without news takes 4 microseconds (25.14), so the watcher asks often instead.
    """

    def __init__(self, path: Path) -> None:
        """Begin at the start of the log at *path*.

        Raises:
            OSError: it does not exist, or cannot be opened.

        """
        self._path = path
        self._refused = ""
        self._open(path.stat())

    def _open(self, file: os.stat_result) -> None:
        if not stat.S_ISREG(file.st_mode):  # to open a pipe would wait for somebody who writes to it
            raise OSError(f"{self._path.name} is no regular file")
        try:
            self._log = htcondor2.JobEventLog(str(self._path))
        except htcondor2.HTCondorException as error:  # "File not found", whatever it is
            raise OSError(str(error)) from None
        self._inode = file.st_ino
        self._size = 0

    def read(self) -> list[states.Event]:
        """The events that are new, in the log's order; one that the bindings refuse is left out."""
        events: list[states.Event] = []
        try:
            file = self._path.stat()
            if file.st_ino != self._inode or file.st_size == 0 < self._size:
                before = self._log
                self._open(file)  # it was replaced, or emptied: what it says now is new
                before.close()
        except OSError:  # it is gone, its file system does not answer, too many files are open
            return events  # what it would have said, the queue says
        if file.st_size == self._size:
            return events  # not asked for nothing: it waits a second for the rest of a torn first line (25.14)
        position = self._position()
        log = self._log.events(stop_after=0)
        while True:
            try:
                events.append(translate(next(log)))
            except StopIteration:
                # Where it has met garbage it stops short of the end, and goes on behind it the next time.
                self._size = file.st_size if self._position() == position else -1
                return events
            except (htcondor2.HTCondorException, ValueError) as error:
                # Of a newer HTCondor, or not whole yet: it may be refused again, so the next ones are for the next
                # time.
                # What it would have said, the queue says.
                self._size = -1
                if str(error) != self._refused:
                    self._refused = str(error)
                    logger.warning("an event in the job event log is passed over: %s", error)
                return events

    def read_all(self) -> list[states.Event]:
        """The events that are new, as far as the log goes now, also behind what :meth:`read` stops at."""
        events: list[states.Event] = []
        while True:
            before = self._position()
            new = self.read()
            events += new
            # One that gives nothing may have passed over something: a row of bad events takes a read each.
            if not new and self._position() <= before:
                return events

    def _position(self) -> int:
        """How far it has read, in bytes; a part of what it is pickled as."""
        *_, position = self._log.__getstate__()
        return int(position)

    def close(self) -> None:
        """Close the file."""
        self._log.close()
