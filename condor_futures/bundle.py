"""A bundle: the calls that one job makes, and their futures."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from condor_futures.future import CondorFuture
from condor_futures.holds import OnHold
from condor_futures.private import open_regular
from condor_futures.shipping import Shipping
from condor_futures.states import Job
from condor_futures.submit_description import description_key

__all__ = ["Bundle", "Options"]

#: Submit commands by which files of the user's own travel.
_OWN_FILES = frozenset(
    {
        "public_input_files",
        "transfer_common_input",
        "transfer_input_files",
        "transfer_output_files",
        "transfer_output_remaps",
    }
)


@dataclass(frozen=True, eq=False)
class Options:
    """What jobs are submitted with; bundles with an equal *key* share a cluster.

    Attributes:
        commands: submit commands, checked and as text.
        spool: whether the jobs are spooled.
        ship: what travels with the calls.
        category: at most so many jobs of it are in the queue at once as the executor's ``categories`` say.
        discard: what the calls return is not wanted.
        cluster: the bundles with these options are one cluster of this name, whatever else is there.
        keep_logs: where output, error and log of each job are copied; None if they are not.
        on_hold: what is done with jobs that are put on hold.

    """

    commands: Mapping[str, str]
    spool: bool
    ship: Shipping = field(default_factory=lambda: Shipping(()))
    category: str | None = None
    discard: bool = False
    cluster: str | None = None
    keep_logs: Path | None = None
    on_hold: OnHold = field(default_factory=OnHold)

    @cached_property
    def key(self) -> Hashable:
        """Equal for what can share a cluster."""
        files = tuple(self.ship.files)
        return description_key(self.commands), self.spool, files, self.category, self.cluster, self.keep_logs

    @property
    def own_files(self) -> bool:
        """Files of the user's own go with the jobs, or come back: somebody has to transfer them.

        >>> Options({"transfer_output_files": "b"}, spool=False).own_files, Options({}, spool=False).own_files
        (True, False)

        """
        return bool(self.ship.files) or not _OWN_FILES.isdisjoint(self.commands)

    def record(self) -> dict[str, Any]:
        """As JSON holds it, to be written beside the calls."""
        return {
            "commands": dict(self.commands),
            "spool": self.spool,
            "files": [str(file) for file in self.ship.files],
            "category": self.category,
            "discard": self.discard,
            "cluster": self.cluster,
            "keep_logs": str(self.keep_logs) if self.keep_logs is not None else None,
            "on_hold": self.on_hold.record(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Options:
        """What :meth:`record` gave."""
        fields = dict(record)
        ship, logs = Shipping.of_files(map(Path, fields.pop("files"))), fields.pop("keep_logs")
        on_hold = OnHold.from_record(fields.pop("on_hold"))
        return cls(ship=ship, keep_logs=Path(logs) if logs is not None else None, on_hold=on_hold, **fields)


@dataclass(eq=False)
class Bundle:
    """One job's calls. Only the watcher's thread changes it; others may read it at any time.

    Attributes:
        key: names its files and its job.
        directory: where its files are: ``initialdir`` of the job.
        options: what it is submitted with.
        futures: by call key; emptied when they are resolved.
        job: the state of its job.
        parents: by call key, the futures that the call takes values from, by the keys that it refers to them with.
        after: futures that its calls wait for without taking their values.

    """

    key: str
    directory: Path
    options: Options
    futures: Mapping[str, CondorFuture[Any]]
    job: Job
    parents: Mapping[str, Mapping[str, Future[Any]]] = field(default_factory=dict)
    after: Sequence[Future[Any]] = ()
    cancelled: set[str] = field(default_factory=set)
    stream_ranges: dict[str, Mapping[str, Sequence[int | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._calls = tuple(self.futures)
        for future in self.futures.values():
            future._bundle = self

    def path(self, suffix: str) -> Path:
        """The file ``BUNDLE.suffix``: calls, outcomes, stdout or stderr."""
        return self.directory / f"{self.key}.{suffix}"

    def overwritten(self, calls: Iterable[str]) -> None:
        """The job runs again and writes to the same files: what *calls* wrote there is gone."""
        self.stream_ranges.update((call, {"stdout": (0, 0), "stderr": (0, 0)}) for call in calls)

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
