"""The lines of jobs that make the calls of one bundle each: outcomes, output and reports that come as the calls end.

All outcomes also come at the end of the job. So what cannot be read here is only later.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.lines import is_final
from condor_futures.files.attempts import find_attempts
from condor_futures.future import Progress
from condor_futures.ownership import owned, reads
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.session import Session
from condor_futures.watching.connections import Connection
from condor_futures.watching.stacks import Stacks

__all__ = ["Streams"]

logger = logging.getLogger(__name__)

#: Seconds between two looks at the files of a job: this share of the time since it last wrote, within these bounds.
POLL_SHARE, POLL_SHORTEST, POLL_LONGEST = 0.1, 0.02, 0.25
#: Seconds between two looks for the files of another attempt, which begins seconds after the one before.
LIST: Final = 1.0


@dataclass(eq=False)
class _Stream:
    """The line of one job."""

    bundle: Bundle
    directory: Path
    connection: Connection | None = None
    attempts: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    wrote: float = 0.0
    looked: float = 0.0
    listed: float = -math.inf

    def due(self) -> float:
        """When its files are to be read again."""
        return self.looked + min(max(POLL_SHARE * (self.looked - self.wrote), POLL_SHORTEST), POLL_LONGEST)


@owned()
class Streams:
    """The lines of all such jobs of a session that have started. It belongs to the watcher's thread."""

    def __init__(self, session: Session, resolver: Resolver, stacks: Stacks) -> None:
        """Create it without jobs.

        Args:
            session: whose jobs.
            resolver: resolves the futures of calls that have ended.
            stacks: who waits for the stacks of calls.

        """
        self._session = session
        self._resolver = resolver
        self._stacks = stacks
        self._streams: dict[Bundle, _Stream] = {}

    def add(self, bundle: Bundle) -> None:
        """Follow the job of *bundle*, which runs, from now on, if it has a line."""
        if bundle.stream is not None and bundle not in self._streams:
            self._streams[bundle] = _Stream(bundle, bundle.stream)
            bundle.stacks = self._stacks

    def patience(self) -> float:
        """Return the seconds until files are to be read again."""
        return max(min((stream.due() for stream in self._streams.values()), default=math.inf) - time.monotonic(), 0.0)

    def read(self) -> None:
        """Take in what the jobs have written."""
        now = time.monotonic()
        for stream in list(self._streams.values()):
            if stream.due() <= now:
                self._read(stream)

    def _read(self, stream: _Stream, *, last: bool = False) -> None:
        stream.looked = time.monotonic()
        try:
            if last or stream.connection is None or stream.looked - stream.listed >= LIST:
                stream.listed = stream.looked
                for name in find_attempts(stream.directory):
                    if name not in stream.attempts:
                        stream.attempts.add(name)
                        self._take_in(stream)
                        self._connect(stream, name)
            self._take_in(stream)
        except (OSError, ValueError) as error:
            logger.warning("the values of the job %s come when it has ended: %s", stream.bundle.job.job_id, error)
            self.forget(stream.bundle)

    def _connect(self, stream: _Stream, name: str) -> None:
        """Exchange frames with another attempt, which must not make calls that were cancelled."""
        self._disconnect(stream)
        connection = Connection(stream.directory, name, self._session.secret, 0, frames=len(stream.bundle.calls))
        stream.connection = connection
        stream.bundle.attempt = connection.path
        for call in sorted(stream.bundle.cancelled):
            connection.say(kind="cancel", call=call)
        connection.send()

    def _take_in(self, stream: _Stream) -> None:
        if stream.connection is None:
            return
        bundle = stream.bundle
        ended: list[tuple[str, int]] = []
        for header, start in stream.connection.read():
            stream.wrote = stream.looked
            call = str(header.get("call"))
            if is_final(header) and call in bundle.calls and call not in stream.ended:
                stream.ended.add(call)
                self._stacks.drop(call)
                ended.append((call, start))
            elif header.get("kind") == "report" and (future := bundle.futures.get(call)) is not None:
                future.set_progress(header.get("fraction"), header.get("text"))
            elif header.get("kind") == "stack" and call in bundle.futures:
                self._stacks.answer(call, header)
        if ended:
            self._resolver.deliver(bundle, stream.connection.outcomes, ended)

    def cancel(self, bundle: Bundle, call: str) -> None:
        """Have the job of *bundle* not make a call, or end its process."""
        stream = self._streams.get(bundle)
        if stream is not None and stream.connection is not None:
            stream.connection.say(kind="cancel", call=call)
            stream.connection.send()

    def ask_stack(self, bundle: Bundle, call: str) -> bool:
        """Ask the job of *bundle* for the stack of a call; False if it cannot be asked any more."""
        stream = self._streams.get(bundle)
        if stream is None or stream.connection is None:
            return False
        stream.connection.say(kind="stack", call=call)
        stream.connection.send()
        return True

    def ended(self, bundle: Bundle) -> None:
        """Take in what the job of *bundle* wrote last, because it has ended."""
        stream = self._streams.get(bundle)
        if stream is not None:
            self._read(stream, last=True)
        self.forget(bundle)

    def forget(self, bundle: Bundle) -> None:
        """Follow the job of *bundle* no longer."""
        stream = self._streams.pop(bundle, None)
        if stream is not None:
            self._disconnect(stream)

    def _disconnect(self, stream: _Stream) -> None:
        if stream.connection is not None:
            for call in stream.bundle.calls:
                self._stacks.drop(call)  # if the job runs again, it is another process
            stream.connection.close()
            stream.connection = None

    @reads
    def reports(self) -> dict[str, Progress]:
        """Return the last reports of the calls that jobs make now, by call key."""
        first = (list(bundle.futures.values())[:1] for bundle in list(self._streams))
        return {future.key: future.progress for futures in first for future in futures if future.progress is not None}

    def close(self) -> None:
        """Close all files."""
        for bundle in list(self._streams):
            self.forget(bundle)
