"""What an executor shares with those derived from it: the session, the watcher, and how both begin and end."""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

from condor_futures.access_point import AccessPoint, Location
from condor_futures.bundle import Bundle
from condor_futures.errors import BrokenCondorExecutor
from condor_futures.payload import PythonVersion
from condor_futures.session import Session
from condor_futures.watcher import Watcher

__all__ = ["Engine", "start"]


class Engine:
    """What an executor and those derived from it share: a session, its watcher, and the numbers given out so far."""

    def __init__(self, session: Session, watcher: Watcher, max_workers: int) -> None:
        self.session = session
        self.watcher = watcher
        self.max_workers = max_workers
        self.lock = threading.Lock()
        self.calls = itertools.count()
        self.bundles = itertools.count()
        self.shut_down = False
        self.process = os.getpid()

    def check_open(self) -> None:
        """Raise what the standard library's executors raise when they take no more calls."""
        if self.watcher.broken is not None:
            raise BrokenCondorExecutor(f"the executor is broken: {self.watcher.broken}")
        if self.shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if _exiting:
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if self.process != os.getpid():
            raise RuntimeError(
                f"this executor belongs to the process {self.process}, from which this one was forked; "
                "make a CondorExecutor of its own here"
            )

    def add(self, bundles: list[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted, unless it was shut down in the meantime."""
        with self.lock:
            # Under the lock of shutdown(): what is added before it is certain to be seen by the watcher.
            self.check_open()
            self.watcher.add(bundles, complete=complete)

    def key_of(self, future: Future[Any]) -> str:
        """The key by which calls refer to the value of *future*: a call's own, or one that is made up for a
        stranger.
        """
        bundle = getattr(future, "_bundle", None)
        if bundle is not None and bundle.directory.is_relative_to(self.session.directory):
            return str(future.key)  # type: ignore[attr-defined]
        return f"x{id(future):x}"  # unique for as long as the call that refers to it waits for it


_watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()


# In a forked child the watchers' threads do not run: there is nothing to wait for, and nothing of the child's to
# remove.
os.register_at_fork(after_in_child=_watchers.clear)

_exiting = False


def _at_exit() -> None:
    """Let a script that ends without shutdown() have its results; take back what an interrupted one submitted."""
    global _exiting  # noqa: PLW0603 - there is one interpreter, and it ends once
    _exiting = True
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    watchers = list(_watchers)
    for watcher in watchers:
        if interrupted:
            watcher.remove_all("the client was interrupted")
        watcher.close()
    for watcher in watchers:
        watcher.join()


def start(access_point: str | tuple[str, str] | None, session: str | Path | None, max_workers: int) -> Engine:
    """Connect to the access point, which may mean to start a pool, and begin a session on it."""
    transfer: Literal["YES", "IF_NEEDED"] = "YES"
    leave: Callable[[], None] = lambda: None  # noqa: E731
    owner = None
    if access_point == "personal":
        from condor_futures.personal import PersonalPool

        pool = PersonalPool().start()
        # Access point and execution point are one machine, where a job can run in its spool directory itself.
        transfer = "IF_NEEDED"
        location = Location(environment=pool.environment())
        leave, owner = pool.close, pool.job_owner
    else:
        location = Location.parse(access_point)
    helper = AccessPoint(location)
    try:
        helper.connect()
        opened = Session.create(Path(session) if session is not None else None, owner=owner)
        opened.write_runner([sys.executable, f"python{PythonVersion}", "python3"])
        watcher = Watcher(opened, helper, max_jobs=max_workers, transfer=transfer, afterwards=leave)
    except BaseException:
        helper.close()
        leave()
        raise
    # Registered anew, because atexit runs last registered first, and the personal pool, which registers when it
    # starts, must outlive the jobs.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    _watchers.add(watcher)
    watcher.start()
    return Engine(opened, watcher, max_workers)
