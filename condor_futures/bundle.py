"""A bundle: the calls that one job makes, and their futures."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from condor_futures.future import CondorFuture
from condor_futures.shipping import Shipping
from condor_futures.states import Job

__all__ = ["Bundle", "Options"]


@dataclass(frozen=True, eq=False)
class Options:
    """What jobs are submitted with; bundles with an equal *key* share a cluster.

    Attributes:
        commands: submit commands, checked and as text.
        spool: whether the jobs are spooled.
        key: equal for equal options.
        ship: which modules travel by value.

    """

    commands: Mapping[str, str]
    spool: bool
    key: Hashable
    ship: Shipping | None = None


@dataclass(eq=False)
class Bundle:
    """One job's calls. Only the watcher's thread changes it; others may read it at any time.

    Attributes:
        key: names its files and its job.
        directory: where its files are: ``initialdir`` of the job.
        options: what it is submitted with.
        futures: by call key; emptied when they are resolved.
        job: the state of its job.

    """

    key: str
    directory: Path
    options: Options
    futures: Mapping[str, CondorFuture[Any]]
    job: Job
    parents: Mapping[str, Mapping[str, Future[Any]]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    missed: int = 0
    stream_ranges: dict[str, Mapping[str, Sequence[int | None]]] = field(default_factory=dict)

    def path(self, suffix: str) -> Path:
        """The file ``BUNDLE.suffix``: calls, outcomes, stdout or stderr."""
        return self.directory / f"{self.key}.{suffix}"

    def text(self, stream: str, call: str | None = None, *, tail: int | None = None) -> str:
        """What the job (or only *call*) wrote to *stream*; *tail* limits it to that many characters at the end."""
        start, end = self.stream_ranges.get(call, {}).get(stream, (0, None)) if call else (0, None)
        try:
            with self.path(stream).open("rb") as file:
                if tail is not None:
                    # At most four bytes a character; there may be gigabytes before them.
                    start = max(start or 0, file.seek(0, os.SEEK_END) - 4 * tail)
                file.seek(start or 0)
                data = file.read() if end is None else file.read(end - (start or 0))
        except OSError:
            return ""
        text = data.decode("utf-8", "replace")
        return text if tail is None else text[-tail:]
