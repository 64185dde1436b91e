"""When a session's directory is removed, and whether a new session or another client may use it."""

from __future__ import annotations

import os
import shutil
import weakref
from pathlib import Path

from condor_futures.errors import CondorFuturesError
from condor_futures.files.process_lock import SessionLock
from condor_futures.session.finding import is_session
from condor_futures.session.record import SessionRecord

__all__ = ["Disposal", "check_empty", "runs"]


class Disposal:
    """Removes the directory of an ephemeral session when the last reference to the session is gone.

    The directory is also removed when the interpreter exits. Otherwise futures that still exist then would leave the
    directory behind.
    """

    def __init__(self, owner: object, directory: Path, lock: SessionLock) -> None:
        """Arrange that *directory* is removed when *owner* is gone, after *lock* is released."""
        self._finalize = weakref.finalize(owner, _dispose, directory, lock, os.getpid())

    def now(self) -> None:
        """Remove the directory now, unless :meth:`cancel` was called."""
        self._finalize()

    def cancel(self) -> None:
        """Keep the directory."""
        self._finalize.detach()


def _dispose(path: Path, lock: SessionLock, owner: int) -> None:
    if os.getpid() == owner:  # not in a child that was forked with a copy of the session
        lock.release()
        shutil.rmtree(path, ignore_errors=True)


def check_empty(path: Path) -> None:
    """Raise CondorFuturesError if the directory *path* is not empty, so that a new session cannot use it."""
    if is_session(path):
        try:
            of_dag = SessionRecord.read(path).of_dag
        except CondorFuturesError:  # another user's session
            of_dag = False
        raise CondorFuturesError(
            f"{path} already contains a DAG; DagExecutor.attach({str(path)!r}) resumes it; a new DAG needs an empty "
            "directory"
            if of_dag
            else f"{path} already contains a session; attach({str(path)!r}) resumes it, and `condor-futures purge` "
            "removes it; a new session needs an empty directory"
        )
    if any(path.iterdir()):
        raise CondorFuturesError(f"{path} is not empty; a new session needs an empty directory")


def runs(pid: int) -> bool:
    """Return whether this user has a running process with the id *pid* on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the id now belongs to a process of another user
        return False
    return True
