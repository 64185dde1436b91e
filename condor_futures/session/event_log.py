"""Reads a job event log with HTCondor's own reader; what its events mean to us, ``state_machine.log_events`` says."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import htcondor2

from condor_futures.state_machine import states
from condor_futures.state_machine.log_events import translate

__all__ = ["EventLog"]

logger = logging.getLogger(__name__)


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
            raise OSError(f"{self._path.name} is not a regular file")
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
                event = next(log)
                events.append(translate(event.type.name, f"{event.cluster}.{event.proc}", event))
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
