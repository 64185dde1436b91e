"""Fetches the shared objects that the calls of a warm job take, through the line, into the job's sandbox.

The client puts a link to each of them into the job's directory on the access point before it hands out a call that
takes it. A job that can read that directory itself reads the objects there. Whoever unpickles an object compares it
with its hash first.
"""

import os
import time

from .bundle import open_object
from .line import PASSING, PIECE, Line, LineError

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .bundle import Bundle

SLICE = 0.05
"""Seconds after which the job looks at its calls again."""


class Fetcher:
    """The objects that calls wait for."""

    def __init__(self, bundle: "Bundle", directory: str) -> None:
        self.bundle = bundle
        self.directory = directory
        self.sizes = {}  # type: dict[str, int]  # of the objects that are to be fetched, the first one first
        self.descriptor = None  # type: int | None
        self.begun = False
        self.copied = 0

    def want(self, objects: "dict[str, int]") -> None:
        """Fetch *objects*, whose sizes are given by their names, unless they are here."""
        for name, size in objects.items():
            if not self.is_here(name, size):
                self.sizes.setdefault(name, size)

    def is_here(self, name: str, size: int) -> bool:
        """Return whether there is a file of this size."""
        for path in self.bundle.object_paths(name):
            try:
                with open_object(path) as file:
                    if os.fstat(file.fileno()).st_size == size:
                        return True
            except OSError:
                pass
        return False

    def lacks(self, names: "Iterable[str]") -> bool:
        """Return whether one of these objects is still to be fetched."""
        return not self.sizes.keys().isdisjoint(names)

    def step(self, line: Line) -> None:
        """Fetch some of the first object.

        Raises :class:`LineError` if that is to be tried again. An object that cannot be fetched is left out: the calls
        that take it then fail.
        """
        name, size = next(iter(self.sizes.items()))
        end = time.monotonic() + SLICE
        path = os.path.join(self.bundle.scratch, name)
        try:
            if not self.begun:
                self.begin(line, name)
            while self.copied < size and time.monotonic() < end:
                assert self.descriptor is not None
                data = line.read_on(self.descriptor, min(PIECE, size - self.copied))
                if not data:
                    self.finish(line, "is damaged: its file at the access point is truncated")
                    return
                self.append(path + ".part", data)
            if self.copied == size:
                os.rename(path + ".part", path)
                self.finish(line)
        except LineError as error:
            self.begun = False
            if error.code in PASSING or not error.code:
                raise
            self.finish(line, "cannot be fetched: %s" % error)
        except OSError as error:
            self.finish(line, "cannot be stored at the execution point: %s" % error)

    def begin(self, line: Line, name: str) -> None:
        """Begin at the beginning of the first object."""
        if self.descriptor is None:
            line.check()  # the starter exits if it is asked to open a file while it has no shadow
            self.descriptor = line.open(os.path.join(self.directory, name), "r")
        else:
            line.rewind(self.descriptor)
        self.copied = 0
        self.begun = True

    def append(self, path: str, data: bytes) -> None:
        """Append *data* to what is here of the first object."""

        def append() -> None:
            with open(path, "ab") as file:
                file.truncate(self.copied)  # what an earlier try wrote before the disk was full
                file.write(data)

        self.bundle.when_there_is_room(append, len(data))
        self.copied += len(data)

    def forget_descriptor(self) -> None:
        """Note that no file is open at the access point."""
        self.descriptor, self.begun = None, False

    def finish(self, line: Line, reason: str = "") -> None:
        """Go on with the next object, because the first one is here, or is left out for a *reason*."""
        name = next(iter(self.sizes))
        del self.sizes[name]
        descriptor = self.descriptor
        self.forget_descriptor()
        if reason:
            self.bundle.note_missing(name, reason)
        try:
            if descriptor is not None:
                line.close_file(descriptor)
        except LineError:
            pass  # a line that is broken fails again
