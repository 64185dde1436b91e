"""How a job's first process starts the child that makes calls, waits for it, and passes on the signals of HTCondor."""

# Importing the module signal takes half a millisecond per job, because it creates enums of its constants.
import _signal as signal  # type: ignore[import-not-found]
import mmap
import os
import sys

from .bundle import CRASHED
from .child import STAGE_SIZE
from .main_module import main_module

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PASSED_ON = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGTERM),
    *(signal.SIGXCPU, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO),
)
"""The signals with which HTCondor may stop a job: SIGTERM, or those of ``kill_sig`` and similar submit commands.

The supervisor passes them on to the child. Each of them ends a process that does not handle it.
"""
_AWAITED = (*PASSED_ON, signal.SIGCHLD)


def fork(work: "Callable[[], None]") -> int:
    """Start a process that does *work*, in which a child makes calls; return its id.

    The signals that stop a job, and SIGCHLD, are blocked afterwards, until the supervisor awaits or handles them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    pid = os.fork()
    if pid:
        return pid
    try:
        import faulthandler

        faulthandler.enable()  # writes the Python stack to the job's standard error after a segmentation fault
        handle(signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # Python's own: KeyboardInterrupt
        os.setpgid(0, 0)  # otherwise a call that kills its process group (`kill 0` in a script) kills the supervisor
        # The calls get a __main__ of their own, not this file.
        sys.modules["__main__"] = type(sys)("__main__")
        main_module.stand_in(sys.modules["__main__"])
        work()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(CRASHED)


def new_stage() -> "mmap.mmap":
    """Memory in which a child says what it is doing; not a file, because the disk may be full."""
    return mmap.mmap(-1, STAGE_SIZE + 1)


def stage_of(stage: "mmap.mmap") -> str:
    """What the child was doing last."""
    return stage[:STAGE_SIZE].decode().strip()


def handle(handler: "Any") -> None:
    """Set the handler of the signals that stop a job, and let them come."""
    for number in PASSED_ON:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)


def await_child(child: int, stage: "mmap.mmap") -> "tuple[int, int]":
    """Wait until the child ends; return the signal with which HTCondor stopped the job, else 0, and the wait status.

    HTCondor's soft kill (eviction, hold, removal) is passed on. The call may handle the signal, for as long as HTCondor
    lets it: HTCondor kills the job after kill_sig_timeout or job_max_vacate_time.
    """
    # With a handler, a signal that comes just before waitpid() would be noticed only when the child ends.
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    stopped = 0
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            # The signal may have come to both processes.
            return stopped or next(iter(signal.sigpending().intersection(PASSED_ON)), 0), status
        number = signal.sigwait(_AWAITED)
        if number != signal.SIGCHLD:
            stopped = stopped or number
            stage[STAGE_SIZE] = 1
            os.kill(child, number)


def how_it_died(status: int) -> "dict[str, Any]":
    """The details of the outcome of a call that killed its process, from the process's wait status."""
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"exit_status": os.WEXITSTATUS(status)}
