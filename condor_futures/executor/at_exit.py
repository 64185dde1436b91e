"""The exit of the interpreter: a script waits for its results, and an interrupted script removes its jobs."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref

from condor_futures.watching.watcher import Watcher, last_error

__all__ = ["forget", "interpreter_exits", "take_back", "wait_for"]

logger = logging.getLogger(__name__)

_watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()


# The watchers' threads do not run in a forked child. So the child waits for no results, and owns no jobs to remove.
os.register_at_fork(after_in_child=_watchers.clear)


_exiting = False


def _at_exit() -> None:
    """Wait for the results of a script that exits without shutdown(). Remove the jobs of an interrupted script."""
    global _exiting  # noqa: PLW0603 - there is one interpreter, and it exits once
    _exiting = True
    watchers = list(_watchers)
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    # An interruption at a prompt, before the current calls were submitted, does not count.
    to_take_back = [watcher for watcher in watchers if interrupted and watcher.last_error != last_error()]
    take_back(*to_take_back)
    others = [watcher for watcher in watchers if watcher not in to_take_back]
    for watcher in others:
        watcher.close()
    try:
        for watcher in others:
            watcher.join_at_exit()
    except KeyboardInterrupt:  # Ctrl-C while waiting for results
        # Nothing else tells the user: the exit status was decided before.
        logger.warning(
            "interrupted at the end of the program: the calls that have not ended are lost, and their jobs are removed"
        )
        take_back(*others)


def take_back(*watchers: Watcher) -> None:
    """Remove all jobs after Ctrl-C, and wait for their removal. A second Ctrl-C stops waiting and leaves the jobs."""
    try:
        for watcher in watchers:
            watcher.take_back()
        for watcher in watchers:
            watcher.join_aloud()
    except KeyboardInterrupt:
        for watcher in watchers:
            if watcher.abandon():
                _watchers.discard(watcher)  # the exit of the program does not wait for it either


def _at_end_of_worker() -> None:
    """Do the work of atexit in a process that multiprocessing started: before Python 3.13 it exits without atexit."""
    sessions = [watcher.session for watcher in _watchers]
    _at_exit()
    for session in sessions:
        session.dispose()


_finalized: set[int] = set()


def interpreter_exits() -> bool:
    """Return whether the interpreter is exiting, so that no executor accepts calls any more."""
    return _exiting


def forget(watcher: Watcher) -> None:
    """Do not wait for *watcher* when the interpreter exits."""
    _watchers.discard(watcher)


def wait_for(watcher: Watcher) -> None:
    """Wait for *watcher* to end when the interpreter exits."""
    _watchers.add(watcher)
    # Register again, because atexit calls the last registered function first. The personal pool registers when it
    # starts, and must run longer than the jobs.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    process, util = sys.modules.get("multiprocessing.process"), sys.modules.get("multiprocessing.util")
    if process is None or util is None or process.parent_process() is None or os.getpid() in _finalized:
        return
    _finalized.add(os.getpid())
    util.Finalize(None, _at_end_of_worker, exitpriority=10)
