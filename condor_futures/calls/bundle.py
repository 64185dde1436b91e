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

from condor_futures.files.private_files import open_regular
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.ownership import changes, owned
from condor_futures.state_machine.states import Job

__all__ = ["Bundle"]

_Ranges = Mapping[str, Sequence[int | None]]  # by stream


@owned(
    job="follower",
    cancelled="follower",
    parents="follower",
    after="follower",
    futures="resolver",
    stream_ranges="resolver",
)
@dataclass(eq=False)
class Bundle:
    """One job's calls.

    It belongs to the thread that makes it until that hands it over, to two owners at once. The thread that follows its
    job (the watcher's, the follower's of a DAG, or that of a run on this machine) owns what is known of the job and of
    who waits for it; the resolver's thread owns what comes of the calls. The rest never changes. Any thread may read it
    at any time.

    Attributes:
        key: names its files and its job.
        directory: where its files are: ``initialdir`` of the job.
        options: what it is submitted with.
        futures: by call key; emptied when they are resolved. The resolver's.
        job: the state of its job. The follower's, as what follows up to here.
        parents: by call key, the futures that the call takes values from, by the keys that it refers to them with.
        after: futures that its calls wait for without taking their values.
        cancelled: the keys of calls that nobody waits for any more.
        stream_ranges: by call key, what the call wrote of the job's output. The resolver's.

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

    def __post_init__(self) -> None:
        self._calls = tuple(self.futures)
        for future in self.futures.values():
            future.bundle = self

    def path(self, suffix: str) -> Path:
        """The file ``BUNDLE.suffix``: calls, outcomes, stdout or stderr."""
        return self.directory / f"{self.key}.{suffix}"

    @changes("follower")
    def forget(self, call: str) -> None:
        """Nobody waits for *call* any more."""
        cast("set[str]", self.cancelled).add(call)

    @changes("resolver")
    def wrote(self, ranges: Mapping[str, _Ranges]) -> None:
        """Know what calls wrote: by call key, the *ranges* of the job's output that are theirs."""
        cast("dict[str, _Ranges]", self.stream_ranges).update(ranges)

    def overwritten(self, calls: Iterable[str]) -> None:
        """The job runs again and writes to the same files: what *calls* wrote there is gone."""
        self.wrote({call: {"stdout": (0, 0), "stderr": (0, 0)} for call in calls})

    def discard_calls(self) -> None:
        """The calls are not needed any more: their outcomes are here, or nobody was given their futures."""
        with contextlib.suppress(OSError):
            self.path("calls").unlink()

    def cancel_calls(self) -> None:
        """Let nobody who attaches find the calls; where that cannot be done, they are found, and made.

        What is left has their keys, which are not to be given again, and says that no outcome counts: a job that is
        still ending may write some.
        """
        cancelled = self.path("cancelled")
        with contextlib.suppress(OSError):
            self.path("calls").rename(cancelled)  # which a full disk has room for, and which is done or not
            cancelled.write_text("\n".join(self._calls))

    def text(self, stream: str, call: str | None = None, *, tail: int | None = None) -> str:
        """What the job (or only *call*) wrote to *stream*; *tail* limits it to that many characters at the end."""
        start, end = self.stream_ranges.get(call, {}).get(stream, (0, None)) if call else (0, None)
        start = start or 0
        try:
            with open_regular(self.path(stream)) as file:
                end = file.seek(0, os.SEEK_END) if end is None else end
                if tail is not None:
                    # At most four bytes a character; there may be gigabytes before them.
                    start = max(start, end - 4 * tail)
                file.seek(start)
                data = file.read(end - start)
        except OSError:
            return ""
        text = data.decode("utf-8", "replace")
        return text if tail is None else text[-tail:]
