"""Objects that many calls take as an argument: hashed, and stored once in a session.

The file of an object is one frame (:mod:`condor_futures.execution_point.frames`) with an empty secret. Its name is the
tag of the frame: a hash of all of it. A call names the objects that it takes in its own frame, which is authentic. A
job compares what it has read with the name before it unpickles it, so it does not matter who could change the file.

A warm job reads the objects that it needs in its own directory, by hard links, so it cannot remove them for other jobs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from condor_futures.errors import SharedObjectError
from condor_futures.execution_point.frames import frame_parts

if TYPE_CHECKING:
    from condor_futures.session.session import Session

__all__ = ["ForeignObjectError", "SharedObject", "SharedObjects"]

T = TypeVar("T")

_Status = tuple[int, ...]


class ForeignObjectError(ValueError):
    """A shared object of another session is among the arguments of a call."""


@dataclass(frozen=True)
class SharedObject(Generic[T]):
    """A handle of an object that :meth:`CondorExecutor.share` or :meth:`DagExecutor.share` has stored.

    As an argument of a call, at any depth, it is replaced by the object. It does not keep the object in memory.

    Attributes:
        name: the hash of the stored object.
        size: the size of the stored object in bytes.
        session: the id of the session that has the object.
        needs: the sizes of this object, and of the shared objects in it, by name.

    """

    name: str
    size: int
    session: str
    needs: Mapping[str, int]
    _kind: str = field(default="object", compare=False)

    def __repr__(self) -> str:
        return f"<shared {self._kind} of {self.size:,} bytes, {self.name[:12]}>"

    def __hash__(self) -> int:
        return hash(self.name)

    def __copy__(self) -> SharedObject[T]:
        return self

    def __deepcopy__(self, memo: object) -> SharedObject[T]:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} can only be sent to calls of the executor that shared it")


class SharedObjects:
    """The shared objects of one session. Any thread may use it at any time.

    Attributes:
        directory: the directory of their files.

    """

    def __init__(self, session: Session) -> None:
        """Create it. An earlier client may have stored objects; they are written again when they are shared again."""
        self._session = session
        self.directory = session.objects
        self._writing, self._lock = threading.Lock(), threading.Lock()
        #: The status of each file when it was complete, by name. It belongs to the holder of the lock.
        self._stored: dict[str, _Status] = {}

    def store(
        self,
        segments: Sequence[bytes | memoryview],
        kind: str = "object",
        needs: Mapping[str, int] = MappingProxyType({}),
    ) -> SharedObject[Any]:
        """Store a pickled object, unless its file is there as this client wrote it.

        Args:
            segments: the pickle and its buffers.
            kind: the name of the object's class.
            needs: the sizes of the shared objects that the pickle refers to, by name.

        Raises:
            OSError: the file cannot be written.

        """
        parts = frame_parts(b"", {"kind": "object"}, segments)
        name, size = bytes(parts[-1]).hex(), sum(memoryview(part).nbytes for part in parts)
        session = self._session
        with self._writing:
            path = session.objects_directory() / name
            if not self._is_intact(path):
                temporary = session.directory / f"{secrets.token_hex(8)}.new"
                with session.create_file(path, temporary=temporary) as file:
                    os.fchmod(file.fileno(), 0o400)
                    file.writelines(parts)
                with self._lock:
                    self._stored[name] = _status(path)
        return SharedObject(name, size, session.id, {**needs, name: size}, kind)

    def _is_intact(self, path: Path) -> bool:
        """Whether nobody has changed the file since this client wrote it."""
        with self._lock:
            status = _status(path)
            return bool(status) and self._stored.get(path.name) == status

    def needs(self, handle: SharedObject[Any]) -> Mapping[str, int]:
        """Return the sizes of the objects that a call needs if it takes *handle*, by name.

        Raises:
            ForeignObjectError: the handle belongs to another session.

        """
        if handle.session != self._session.id:
            raise ForeignObjectError(
                f"{handle!r} was shared by an executor of another session; share() the object with this executor too"
            )
        return handle.needs

    def lend(self, name: str, directory: Path) -> None:
        """Let a job that can read *directory* read the object *name* there.

        Raises:
            SharedObjectError: there is no such object any more.
            OSError: the job's directory cannot be written to.

        """
        path, there = self.directory / name, directory / name
        with self._lock:
            status = _status(path)
            if not status:
                raise SharedObjectError(f"the shared object {name[:12]}, an argument of the call, was removed: {path}")
            if _is_copy(there, path):
                return
            there.unlink(missing_ok=True)  # what the object was before it was stored again
            with contextlib.suppress(OSError):  # the file system has no links between directories (AFS)
                there.hardlink_to(path)
                if self._stored.get(name) == status:  # the link has changed the status
                    self._stored[name] = _status(path)
                return
        with path.open("rb") as source, self._session.create_file(there) as copy:
            shutil.copyfileobj(source, copy)


def _is_copy(copy: Path, path: Path) -> bool:
    """Return whether there is a *copy* of the object in *path*, from after the object was stored."""
    with contextlib.suppress(OSError):
        about, of = copy.lstat(), path.lstat()
        return about.st_size == of.st_size and about.st_mtime_ns >= of.st_mtime_ns
    return False


def _status(path: Path) -> _Status:
    """Return the part of a file's status that any change to it changes; empty if there is no file."""
    with contextlib.suppress(OSError):
        about = path.lstat()
        return about.st_mode, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
    return ()
