"""The end of the interpreter: scripts get their results, and an interrupted one leaves no jobs."""

from __future__ import annotations

import atexit
import os
import sys
import weakref

from condor_futures.watching.watcher import Watcher, last_error

__all__ = ["forget", "interpreter_exits", "take_back", "wait_for"]


_watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()


# In a forked child the watchers' threads do not run: there is nothing to wait for, and nothing of the child's to
# remove.
os.register_at_fork(after_in_child=_watchers.clear)


_exiting = False


def _at_exit() -> None:
    """Let a script that ends without shutdown() have its results; take back what an interrupted one submitted."""
    global _exiting  # noqa: PLW0603 - there is one interpreter, and it ends once
    _exiting = True
    watchers = list(_watchers)
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    # Not by one at a prompt, long before the calls that are made now.
    to_take_back = [watcher for watcher in watchers if interrupted and watcher.last_error != last_error()]
    take_back(*to_take_back)
    others = [watcher for watcher in watchers if watcher not in to_take_back]
    for watcher in others:
        watcher.close()
    try:
        for watcher in others:
            watcher.join()
    except KeyboardInterrupt:  # while it waited for results
        take_back(*others)


def take_back(*watchers: Watcher) -> None:
    """Ctrl-C: have all jobs removed, and wait for that; another Ctrl-C leaves them."""
    try:
        for watcher in watchers:
            watcher.take_back()
        for watcher in watchers:
            watcher.join_aloud()
    except KeyboardInterrupt:
        for watcher in watchers:
            if watcher.abandon():
                _watchers.discard(watcher)  # nor does the end of the program wait for it


def _at_end_of_worker() -> None:
    """A process that multiprocessing starts leaves without what atexit calls (before Python 3.13): see ``Finalize``."""
    sessions = [watcher.session for watcher in _watchers]
    _at_exit()
    for session in sessions:
        session.dispose()


_finalized: set[int] = set()


def interpreter_exits() -> bool:
    """Whether the interpreter is on its way out, so that no executor takes calls any more."""
    return _exiting


def forget(watcher: Watcher) -> None:
    """The interpreter's exit need not wait for *watcher*."""
    _watchers.discard(watcher)


def wait_for(watcher: Watcher) -> None:
    """Have the interpreter's exit wait for *watcher* to end."""
    _watchers.add(watcher)
    # Registered anew, because atexit runs last registered first, and the personal pool, which registers when it starts,
    # must outlive the jobs.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is None or util is None or process.parent_process() is None or os.getpid() in _finalized:
        return
    _finalized.add(os.getpid())
    util.Finalize(None, _at_end_of_worker, exitpriority=10)
