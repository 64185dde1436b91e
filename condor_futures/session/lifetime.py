"""How long a session's directory stays, and whether a new session, or another client, may have it."""

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
    """Removes the directory of an ephemeral session with the last reference to the session.

    The interpreter's exit counts as the end of all references: futures that outlive the last frames would otherwise
    leave the directory behind.
    """

    def __init__(self, owner: object, directory: Path, lock: SessionLock) -> None:
        """Have *directory* go with *owner*, and *lock* released before."""
        self._finalize = weakref.finalize(owner, _dispose, directory, lock, os.getpid())

    def now(self) -> None:
        """Remove the directory now, unless it is to stay."""
        self._finalize()

    def cancel(self) -> None:
        """Have the directory stay."""
        self._finalize.detach()


def _dispose(path: Path, lock: SessionLock, owner: int) -> None:
    if os.getpid() == owner:  # not in a child that was forked with a copy of the session
        lock.release()
        shutil.rmtree(path, ignore_errors=True)


def check_empty(path: Path) -> None:
    """Raise CondorFuturesError if a new session cannot have the directory *path*, because something is in it."""
    if is_session(path):
        try:
            of_dag = SessionRecord.read(path).of_dag
        except CondorFuturesError:  # not ours
            of_dag = False
        raise CondorFuturesError(
            f"{path} has a DAG already, which DagExecutor.attach({str(path)!r}) comes back to; a new one needs a "
            "directory of its own"
            if of_dag
            else f"{path} has a session already, which attach({str(path)!r}) takes up and `condor-futures purge` "
            "removes; a new one needs a directory of its own"
        )
    if any(path.iterdir()):
        raise CondorFuturesError(f"{path} is not empty; a new session needs a directory of its own")


def runs(pid: int) -> bool:
    """Whether a process of this user's with the number *pid* runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, who has its number now
        return False
    return True
