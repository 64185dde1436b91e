"""One bundle in its job's sandbox: the files of calls and outcomes.

``BUNDLE.calls`` has a *bundle* frame with the secret, optionally a frame of *retried* exceptions, then *function* and
*call* frames. Unchanged *outcome* frames of other calls, whose values these calls take, come last.

``BUNDLE.outcomes`` has one *outcome* frame per call, appended when the call ends. An incomplete frame does not count.
If HTCondor may run the job again, the outcomes are transferred with the job. Calls with a final outcome are then not
repeated, unless the bundle's header has ``afresh``. The header may also have ``parents``, the names of further outcome
files to take values from, and ``strict``: then the job fails if a call fails.

A call takes shared objects from files in the sandbox, or else from the directory ``objects`` of the header, which jobs
can read if they share a file system with the client. The name of such a file is the hash of its contents. ``shared`` in
the header of a call, or of the bundle for the initializer, has the names and sizes of those that it takes.
"""

import errno
import os
import stat
import time

from .frames import FrameError, read_frames, read_object, skim, write_frame

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from .frames import Buffer, Frame, Header, Segments

CRASHED = 3
"""Exit status of a job in which a call crashed its Python process: non-zero, so that ``max_retries`` applies."""
RETRY = 4
"""Exit status of a job in which a call raised one of ``retry_exceptions``, for the same reason."""
RAISED = 1
"""Exit status of a *strict* job in which a call raised an exception, for DAGMan, which does not read outcomes."""
NAMED = "condor_futures_named-"
"""The beginning of the name of a directory in the sandbox whose contents belong into the sandbox itself."""
NO_LINE = 5
"""Exit status of a warm job that could not reach its directory on the access point: it has made no call."""
ROOM_PATIENCE, BUNDLE_PATIENCE = 30.0, 300.0
"""Seconds to wait for space on a full disk: for one outcome, and for all values of one process together."""


def _nearby(name: str) -> str:
    """Return the path of another bundle's file: in the sandbox if transferred, or else in its own directory."""
    here = os.path.basename(name)
    return os.path.abspath(here if os.path.exists(here) else name)


class NoObjectError(Exception):
    """A call takes a shared object that cannot be read. The arguments are its name, and why."""

    def __str__(self) -> str:
        return "the shared object %s %s" % self.args


def open_object(path: str) -> "BinaryIO":
    """Open a regular file. At a path of another machine there may be anything, such as a pipe, which would block."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(path)
    return os.fdopen(descriptor, "rb")


class Bundle:
    """One bundle: its calls in the sandbox, and the outcomes written so far."""

    def __init__(self, key: str) -> None:
        # Absolute, because a call may change the working directory.
        self.key = key
        self.calls = os.path.abspath(key + ".calls")
        self.outcomes = os.path.abspath(key + ".outcomes")
        self.checkpoints = os.path.abspath(key + ".checkpoints")  # a directory; see checkpoints
        self.attempt = ""  # of a warm job: its files on the access point, without the suffix
        with open(self.calls, "rb") as file:
            self.head, self.initializer = next(read_frames(file))
        self.secret = bytes.fromhex(self.head["secret"])
        self.session = self.head["session"]
        self.patience = BUNDLE_PATIENCE
        self._index = None  # type: list[tuple[str, str, int]] | None
        self._reported, self._whole = set(), 0  # type: set[str], int
        self.parents = {}  # type: dict[str, tuple[str, int]]
        self.parent_files = [self.calls] + [_nearby(name) for name in self.head.get("parents", ())]
        # Without file transfer, the file of calls is elsewhere: in the spool directory, or among those of other jobs.
        self.scratch = os.path.abspath(os.environ.get("_CONDOR_SCRATCH_DIR", "."))

    def index(self) -> "list[tuple[str, str, int]]":
        """Return kind, key and position of its functions and calls. Read once, for all processes that make calls."""
        if self._index is None:
            self._index = []
            with open(self.calls, "rb") as file:
                for header, start, _ in skim(file):
                    if header["kind"] in ("function", "call"):
                        self._index.append((header["kind"], header.get("call", ""), start))
                    elif header["kind"] == "outcome":
                        break  # the parents' outcomes come last
        return self._index

    def frames(self, done: "set[str]") -> "Iterator[Frame]":
        with open(self.calls, "rb") as file:
            for _, call, start in self.index():
                if call not in done:
                    file.seek(start)
                    for frame in read_frames(file, self.secret):
                        yield frame
                        break

    def reported(self) -> "set[str]":
        """Return the keys of the calls with an outcome. Only new frames are read."""
        with open(self.outcomes, "rb") as file:
            file.seek(self._whole)
            for header, _, end in skim(file):
                self._reported.add(str(header.get("call")))
                self._whole = end
        return set(self._reported)

    def call_keys(self) -> "list[str]":
        """Return the keys of all its calls, in order."""
        return [call for kind, call, _ in self.index() if kind == "call"]

    def retried(self) -> "Segments | None":
        """Return the pickled exception classes after which the job runs again."""
        with open(self.calls, "rb") as file:
            for header, segments in read_frames(file, self.secret):
                if header["kind"] == "retried":
                    return segments
                if header["kind"] != "bundle":
                    break
        return None

    def status(self, well: bool) -> int:
        """Return the exit status of the job. *well* says that no call crashed its process."""
        with open(self.outcomes, "rb") as file:
            again = any(header.get("retry") for header, _, _ in skim(file))
        if not well:
            return CRASHED
        if again:
            return RETRY
        return RAISED if self.head.get("strict") and not self.all_well() else 0

    def find_parents(self) -> None:
        """Find the outcomes of other calls whose values this bundle's calls take."""
        for name in self.parent_files:
            with open(name, "rb") as file:
                for header, start, _ in skim(file):
                    if header.get("kind") == "outcome":
                        key = str(header.get("call"))
                        self.parents.setdefault(key, (name, start))  # the first counts, as in the client

    def value_of(self, key: str) -> "Segments | None":
        """Return the pickled value of another call; None if it has no value. Call :meth:`find_parents` first."""
        if key not in self.parents:
            return None
        name, start = self.parents[key]
        with open(name, "rb") as file:
            file.seek(start)
            try:
                header, segments = next(read_frames(file, self.secret))
            except FrameError as error:  # a class that the client cannot import
                raise ValueError("the value of the call %s, an argument, is refused: %s" % (key, error)) from None
        return segments if header.get("result") == "value" else None

    def shared_object(self, name: str) -> "Segments":
        """Return the pickle of a shared object. Raises :class:`NoObjectError` if it is not here, or damaged."""
        reason = "is not at the execution point"
        for path in self.object_paths(name):
            try:
                with open_object(path) as file:
                    return read_object(file, name)
            except FrameError:
                reason = "is damaged"
                if os.path.dirname(path) == self.scratch:
                    os.unlink(path)  # a warm job then fetches it again, if another call takes it
                    self.note_missing(name, reason)
            except FileNotFoundError:
                pass
            except OSError as error:
                reason = "cannot be read: %s" % error
        try:
            with open(os.path.join(self.scratch, name + ".missing")) as file:
                reason = file.read()
        except OSError:
            pass
        raise NoObjectError(name, reason)

    def note_missing(self, name: str, reason: str) -> None:
        """Note for the calls that take the shared object *name* why it is not here."""
        try:
            with open(os.path.join(self.scratch, name + ".missing"), "w") as file:
                file.write(reason)
        except OSError:
            pass  # the disk is full

    def object_paths(self, name: str) -> "list[str]":
        """Return where the shared object *name* may be."""
        places = self.scratch, os.path.dirname(self.calls), self.head.get("objects")
        return [os.path.join(place, name) for place in places if place]

    def counts(self, header: "Header") -> bool:
        """Return whether an outcome of an earlier attempt is final. A strict bundle repeats calls that raised."""
        result = header.get("result")
        return result == "value" or (result == "exception" and not self.head.get("strict"))

    def all_well(self) -> bool:
        """Return whether every outcome is a value."""
        with open(self.outcomes, "rb") as file:
            return all(header.get("result") == "value" for header, _, _ in skim(file))

    def report(self, call: str, result: str, segments: "Sequence[Buffer]" = (), **details: object) -> None:
        """Append the outcome of *call* as one frame, with one tag over the whole frame."""
        header = dict(details, kind="outcome", session=self.session, call=call, result=result, host=os.uname()[1])
        end = os.path.getsize(self.outcomes) if os.path.exists(self.outcomes) else 0

        def append() -> None:
            try:
                with open(self.outcomes, "ab") as file:
                    write_frame(file, self.secret, header, segments)
            except BaseException:
                # Only after closing the file, because closing it writes the buffered rest.
                os.truncate(self.outcomes, end)
                raise

        # All values of a bundle share one patience, so that a full disk does not delay each of them. An error needs
        # little space and must be reported, so it has a patience of its own.
        patience = min(ROOM_PATIENCE, self.patience) if result == "value" else ROOM_PATIENCE
        self.when_there_is_room(append, sum(memoryview(part).nbytes for part in segments), patience)

    def when_there_is_room(self, write: "Callable[[], None]", size: int = 0, patience: float = ROOM_PATIENCE) -> None:
        """Call *write*. On a full disk with a capacity above *size* bytes, retry for *patience* seconds.

        Other users of the disk may free space. For example, a job runs in the spool directory if access point and
        execution point share a file system.
        """
        began = None
        while True:
            try:
                write()
            except OSError as error:
                began = began or time.monotonic()  # not earlier: writing may take longer than the patience
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or time.monotonic() >= began + patience:
                    raise
                disk = os.statvfs(os.path.dirname(self.outcomes))
                if size >= disk.f_blocks * disk.f_frsize:
                    raise
            else:
                return
            time.sleep(1)
            self.patience -= 1

    def cut_torn(self) -> None:
        """Cut off an incomplete last outcome, left by a child that was killed: it would hide later outcomes."""
        with open(self.outcomes, "r+b") as file:
            whole = self._whole
            file.seek(whole)
            for _, _, end in skim(file):
                whole = end
            file.truncate(whole)

    def keep_what_counts(self) -> None:
        """Prepare a new attempt: keep the final outcomes of earlier ones, and drop all others and a torn last frame.

        Checkpoint files become files again.
        """
        kept = []
        unpacking = None
        self._reported, self._whole = set(), 0
        if os.path.exists(self.outcomes):
            with open(self.outcomes, "rb") as file:
                try:
                    for frame in read_frames(file, self.secret):  # extend() would lose the frames before a torn one
                        if frame[0].get("kind") == "checkpoint":
                            from .checkpoints import Unpacking

                            unpacking = unpacking or Unpacking(self)
                            unpacking.add(*frame)
                        elif self.counts(frame[0]) and not (frame[0].get("retry") or self.head.get("afresh")):
                            # The call's output is lost: this attempt overwrites the same two files.
                            kept.append((dict(frame[0], stdout=[0, 0], stderr=[0, 0]), frame[1]))
                except FrameError:
                    pass

        def rewrite() -> None:
            with open(self.outcomes + ".new", "wb") as file:
                for header, segments in kept:
                    write_frame(file, self.secret, header, segments)

        self.when_there_is_room(rewrite)
        os.rename(self.outcomes + ".new", self.outcomes)
