"""Reads a job event log with HTCondor's own reader; ``state_machine.log_events`` interprets the events."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import htcondor2

from condor_futures.state_machine import states
from condor_futures.state_machine.log_events import translate

__all__ = ["EventLog", "Observer"]

logger = logging.getLogger(__name__)


Observer = Callable[[states.Event, str, Mapping[str, Any], float], None]
"""Called with an event, HTCondor's name and attributes of it, and its time in seconds since 1970."""


def _ignore(_event: states.Event, _kind: str, _told: Mapping[str, Any], _time: float) -> None:
    """Nobody observes."""


def _fraction(time: str) -> float:
    """Return the fraction of the second in a time in ISO format.

    >>> _fraction("2026-11-21T08:35:39.643"), _fraction("2026-11-21T08:35:39")
    (0.643, 0.0)

    """
    digits = time.partition(".")[2]
    return float(f"0.{digits}") if digits.isdecimal() else 0.0


class EventLog:
    """Reads the events that were appended to a job event log since the last read.

    A read never waits: ``JobEventLog`` can wait only for whole seconds, and a waiting thread cannot be woken. A read
    without new events takes 4 microseconds (25.14), so the watcher polls often instead.
    """

    def __init__(self, path: Path, observe: Observer = _ignore) -> None:
        """Begin at the start of the log at *path*.

        Args:
            path: the log.
            observe: called with each event that is read.

        Raises:
            OSError: it does not exist, or cannot be opened.

        """
        self._path = path
        self._refused = ""
        self._observe = observe
        self._open(path.stat())

    def _open(self, file: os.stat_result) -> None:
        if not stat.S_ISREG(file.st_mode):  # opening a pipe would block until another process opens its other end
            raise OSError(f"{self._path.name} is not a regular file")
        try:
            self._log = htcondor2.JobEventLog(str(self._path))
        except htcondor2.HTCondorException as error:  # "File not found", whatever the cause
            raise OSError(str(error)) from None
        self._inode = file.st_ino
        self._size = 0

    def read(self) -> list[states.Event]:
        """Return the new events, in the order of the log, without those that the bindings cannot read."""
        events: list[states.Event] = []
        try:
            file = self._path.stat()
            if file.st_ino != self._inode or file.st_size == 0 < self._size:
                before = self._log
                self._open(file)  # the log was replaced, or emptied: all its events are new
                before.close()
        except OSError:  # the log was removed, its file system does not respond, or too many files are open
            return events  # the watcher learns the same from the queue
        if file.st_size == self._size:
            # Without this check the reader may wait: it waits a second for the rest of a torn first line (25.14).
            return events
        position = self._position()
        log = self._log.events(stop_after=0)
        while True:
            try:
                event = next(log)
                events.append(translate(event.type.name, f"{event.cluster}.{event.proc}", event))
                if self._observe is not _ignore:
                    time = event.timestamp + _fraction(str(event.get("EventTime", "")))
                    self._observe(events[-1], event.type.name, event, time)
            except StopIteration:
                # After garbage the reader stops before the end of the log, and continues at the next read.
                self._size = file.st_size if self._position() == position else -1
                return events
            except (htcondor2.HTCondorException, ValueError) as error:
                # An event of a newer HTCondor, or an incomplete one. The reader may fail at it again, so later events
                # wait for the next read. The watcher learns the lost information from the queue.
                self._size = -1
                if str(error) != self._refused:
                    self._refused = str(error)
                    logger.warning("skipped an unreadable event in the job event log: %s", error)
                return events

    def read_all(self) -> list[states.Event]:
        """Return all new events up to the current end of the log, also those behind the stops of :meth:`read`."""
        events: list[states.Event] = []
        while True:
            before = self._position()
            new = self.read()
            events += new
            # A read without events may have skipped an event: each of several bad events in a row takes one read.
            if not new and self._position() <= before:
                return events

    def _position(self) -> int:
        """Return the reader's position in bytes, which is a part of its pickled state."""
        *_, position = self._log.__getstate__()
        return int(position)

    def close(self) -> None:
        """Close the file."""
        self._log.close()
