"""The repairs that ``condor-futures doctor --fix`` offers. None of them touches what somebody uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from condor_futures.errors import CondorFuturesError
from condor_futures.personal import HTCondorRelease, PersonalPool, find_htcondor
from condor_futures.sessions import purge, sessions

__all__ = ["FIXES", "Fix"]


@dataclass(frozen=True)
class Fix:
    """A repair.

    Attributes:
        question: the question to ask first.
        make: makes the repair, and returns what was done. It takes a function that installs HTCondor, which may show
            how far it is.

    """

    question: Callable[[], str]
    make: Callable[[Callable[[], HTCondorRelease]], str]


def _ask_to_start() -> str:
    first = "" if find_htcondor() is not None else "Install HTCondor below ~/.local/share (80 MB), and start"
    return f"{first or 'Start'} a personal pool, which runs until `condor-futures pool stop`?"


def _start_pool(install: Callable[[], HTCondorRelease]) -> str:
    if find_htcondor() is None:
        install()
    pool = PersonalPool()
    pool.start(persistent=True)
    pool.close()
    return f"The personal pool in {pool.directory} runs until `condor-futures pool stop`."


def _ask_to_restart() -> str:
    directory = PersonalPool().directory
    what = f"Stop all processes of the personal pool in {directory}, which does not answer, and start it again?"
    return f"{what} Its running jobs start anew."


def _restart_pool(install: Callable[[], HTCondorRelease]) -> str:
    PersonalPool().stop()
    return _start_pool(install)


def _ask_to_remove() -> str:
    ids = [session.id for session in sessions() if session.state == "finished"]
    return f"Remove these finished sessions, with results that nobody took: {', '.join(ids)}?"


def _remove_sessions(_: Callable[[], HTCondorRelease]) -> str:
    removed, kept = 0, []
    for session in sessions():
        if session.state != "finished":
            continue
        try:
            purge(session.directory)
            removed += 1
        except CondorFuturesError as error:
            kept.append(f"{session.id} remains: {error}.")
    return " ".join([f"Sessions removed: {removed}.", *kept])


FIXES = {
    "start pool": Fix(_ask_to_start, _start_pool),
    "restart pool": Fix(_ask_to_restart, _restart_pool),
    "remove sessions": Fix(_ask_to_remove, _remove_sessions),
}
"""By the name in :attr:`condor_futures.doctor.Finding.fix`."""
