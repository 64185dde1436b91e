"""A bundle: the calls that one job makes, and their futures."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from condor_futures.calls.usages import Usages
from condor_futures.files.private_files import open_regular
from condor_futures.future import CondorFuture, Stacks, Usage, Written
from condor_futures.options.options import Options
from condor_futures.ownership import changes, owned
from condor_futures.state_machine.states import Job

__all__ = ["Bundle", "Place"]

Place = tuple[Path, int, str]
"""Where an outcome is: its file, its first byte, and the key of the open bundle whose job wrote it, or nothing."""

_Ranges = Mapping[str, Sequence[int | None]]  # by stream


@owned(
    job="follower",
    cancelled="follower",
    parents="follower",
    after="follower",
    attempt="follower",
    stacks="follower",
    futures="resolver",
    stream_ranges="resolver",
    ends="resolver",
)
@dataclass(eq=False)
class Bundle:
    """One job's calls.

    A new bundle belongs to the thread that makes it. This thread then hands it over to two owners:

    - The thread that follows the bundle's job owns the state of the job and the relations between calls. It is the
      watcher's thread, the follower's thread of a DAG, or the thread of a run on this machine.
    - The resolver's thread owns the results of the calls.

    All other attributes never change. Any thread may read a bundle at any time.

    Attributes:
        key: the name of its files and of its job.
        directory: the directory of its files: ``initialdir`` of the job.
        options: the options that it is submitted with.
        futures: the futures by call key; emptied when they are resolved. Owned by the resolver.
        job: the state of its job. Owned by the follower, as are all attributes down to ``cancelled``.
        parents: by call key, the futures whose values the call takes, by the keys by which the call refers to them.
        after: futures that its calls wait for without taking their values.
        shared: the names of the shared objects that its calls take, in order.
        usages: reads what the calls of the session used; None if nobody asks.
        cancelled: the keys of calls that nothing waits for any more.
        stream_ranges: by call key, the part of the job's output that the call wrote. Owned by the resolver, as are:
        ends: by stream, the name of the warm job's attempt, how much of its output is of calls that have ended, and the
            key of the last of them.
        places: by call key, where the outcomes are that an earlier client's warm jobs wrote.
        line: the directory that the job of an open bundle exchanges calls and outcomes in; None for a closed bundle.
            The calls of an open bundle are handed to its job while it runs; *futures* are theirs.
        stream: the directory that the job of a closed bundle writes outcomes to as the calls end; None if it does not.
        attempt: the files of the job's present attempt, without their suffixes. Owned by the follower, as is:
        stacks: asks the job for the stack of the call that it makes; None if the job has no line.

    """

    key: str
    directory: Path
    options: Options
    futures: Mapping[str, CondorFuture[Any]]
    job: Job
    parents: Mapping[str, Mapping[str, Future[Any]]] = field(default_factory=dict)
    after: Sequence[Future[Any]] = ()
    cancelled: AbstractSet[str] = field(default_factory=set)
    stream_ranges: Mapping[str, _Ranges] = field(default_factory=dict)
    ends: Mapping[str, tuple[str, int, str]] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    line: Path | None = None
    stream: Path | None = None
    attempt: Path | None = None
    shared: Sequence[str] = ()
    usages: Usages | None = None
    stacks: Stacks | None = None

    def __post_init__(self) -> None:
        self._calls = tuple(self.futures)
        for future in self.futures.values():
            future.bundle = self

    @property
    def calls(self) -> tuple[str, ...]:
        """The keys of all calls of a closed bundle, also of those that have ended."""
        return self._calls

    @property
    def key_of_secret(self) -> str:
        """The key from which the secret of its job is derived: nothing if it has that of the session."""
        return self.key if self.line is not None else ""

    def path(self, suffix: str) -> Path:
        """The path of ``BUNDLE.suffix``, where *suffix* is calls, outcomes, stdout or stderr."""
        return self.directory / f"{self.key}.{suffix}"

    @changes("follower")
    def forget(self, call: str) -> None:
        """Record that nothing waits for *call* any more."""
        cast("set[str]", self.cancelled).add(call)

    @changes("resolver")
    def wrote(self, ranges: Mapping[str, _Ranges]) -> None:
        """Record which *ranges* of the job's output the calls wrote, by call key."""
        cast("dict[str, _Ranges]", self.stream_ranges).update(ranges)

    @changes("resolver")
    def give(self, futures: Mapping[str, CondorFuture[Any]]) -> None:
        """Let the job of this open bundle make the calls of these *futures*."""
        cast("dict[str, CondorFuture[Any]]", self.futures).update(futures)

    @changes("resolver")
    def take(self, call: str) -> CondorFuture[Any] | None:
        """Return the future of *call*, which has its outcome now; None if it is not here any more."""
        return cast("dict[str, CondorFuture[Any]]", self.futures).pop(call, None)

    @changes("resolver")
    def found(self, call: str, written: Written) -> None:
        """Record what the warm job wrote until *call* ended, before the call is taken: the rest is of the next one."""
        ends = cast("dict[str, tuple[str, int, str]]", self.ends)
        attempt = written.path.stem
        for stream, (_, end) in written.ranges.items():
            if end is not None:
                ends[stream] = attempt, end, call

    def overwritten(self, calls: Iterable[str]) -> None:
        """Forget the output of *calls*: the job runs again, and overwrites the files."""
        self.wrote({call: {"stdout": (0, 0), "stderr": (0, 0)} for call in calls})

    def discard_calls(self) -> None:
        """Remove the file of calls, after their outcomes have arrived, or if no caller received their futures."""
        with contextlib.suppress(OSError):
            self.path("calls").unlink()

    def cancel_calls(self) -> None:
        """Hide the calls from clients that attach later. If renaming the file fails, such a client makes the calls.

        The file that is left contains the keys of the calls, so that they are not used again. It also says that no
        outcome counts, because a job that is still ending may write outcomes.
        """
        cancelled = self.path("cancelled")
        with contextlib.suppress(OSError):
            self.path("calls").rename(cancelled)  # atomic, and possible on a full disk
            cancelled.write_text("\n".join(self.calls))

    def usage(self, call: str, written: Written | None = None) -> Usage:
        """Return what *call*, which has ended, and its job used. *written* says where a warm job wrote its outcome."""
        if self.usages is None:
            return Usage()
        if written is not None:
            return self.usages.of(written.bundle or self.key, call, written.path, written.start)
        return self.usages.of(self.key, call, self.path("outcomes"))

    def text(
        self, stream: str, call: str | None = None, written: Written | None = None, *, tail: int | None = None
    ) -> str:
        """Return the output of the job (or only of *call*) on *stream*, or only its last *tail* characters.

        *written* says where a warm job wrote it; None until the call has ended.
        """
        output = self.output(stream, call, written, ended=True)
        if output is None:
            return ""
        path, start, end = output
        try:
            with open_regular(path) as file:
                end = file.seek(0, os.SEEK_END) if end is None else end
                if tail is not None:
                    # A character has at most four bytes. The output may have gigabytes, so only its end is read.
                    start = max(start, end - 4 * tail)
                file.seek(start)
                data = file.read(max(end - start, 0))
        except OSError:
            return ""
        text = data.decode("utf-8", "replace")
        return text if tail is None else text[-tail:]

    def output(
        self, stream: str, call: str | None, written: Written | None, *, ended: bool
    ) -> tuple[Path, int, int | None] | None:
        """Return where the output of *call*, or without it of the job, is: a file, its start, and its end if known.

        *written* says where a warm job wrote it; None until the call has ended. If the call has not *ended*, return
        None where the output of the running call cannot be told from that of other calls or of earlier attempts.
        """
        if written is not None:
            start, end = written.ranges.get(stream, (0, None))
            return written.path.with_suffix(f".{stream}"), start or 0, end
        attempt = self.attempt
        if call is not None and attempt is not None and self._first() == call:
            # It is running: what it writes comes after what the calls before it wrote.
            of, before, last = self.ends.get(stream, ("", 0, ""))
            if last == call or self._first() != call:
                return None  # it has just ended, and the resolver is about to say so
            return attempt.with_suffix(f".{stream}"), before if of == attempt.name else 0, None
        if not ended or (call is not None and self.line is not None):
            return None
        start, end = self.stream_ranges.get(call, {}).get(stream, (0, None)) if call else (0, None)
        return self.path(stream), start or 0, end

    def _first(self) -> str | None:
        """Return the key of the first call without an outcome, which a job that has a line makes now."""
        while True:
            try:
                return next(iter(self.futures), None)
            except RuntimeError:  # the resolver has removed a call meanwhile
                continue
