"""The hazards: what a call may do to its Python. The deadlock tests trigger each hazard at every stage of a call."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable

from condor_futures import JobCrashedError, RemoteExceptionError


def hazards() -> dict[str, Callable[[], object]]:
    """Return the hazards by name.

    A function defines them, so that classes and functions travel by value: a job cannot import a test.
    """

    class PlainError(Exception):
        pass

    class UnpicklableError(Exception):
        def __reduce__(self):
            raise TypeError("never pickled")

    class PicklableOnlyError(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    class DeadlyError(Exception):
        def __reduce__(self):
            return os._exit, (9,)

    def segfault():
        faulthandler.disable()
        faulthandler._sigsegv()

    def throw(error):
        raise error

    return {
        "error": lambda: throw(ValueError("plain")),
        "error of its own class": lambda: throw(PlainError("plain")),
        "error that cannot be pickled": lambda: throw(UnpicklableError("text")),
        "error that cannot be unpickled": lambda: throw(PicklableOnlyError("text", 2)),
        "exit": lambda: throw(SystemExit(3)),
        "interrupt": lambda: throw(KeyboardInterrupt("now")),
        "deadly error": lambda: throw(DeadlyError()),
        "leaving": lambda: os._exit(7),
        "segfault": segfault,
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    }


#: The exceptions that a future raises if the hazard occurs on the execution point.
EXPECTED: dict[str, type[BaseException]] = {
    "error": ValueError,
    "error of its own class": Exception,
    "error that cannot be pickled": RemoteExceptionError,
    "error that cannot be unpickled": RemoteExceptionError,
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "deadly error": JobCrashedError,
    "leaving": JobCrashedError,
    "segfault": JobCrashedError,
    "kill": JobCrashedError,
}

#: The hazards that the client survives when it pickles or unpickles.
HARMLESS_HERE = [name for name, error in EXPECTED.items() if error is not JobCrashedError]
