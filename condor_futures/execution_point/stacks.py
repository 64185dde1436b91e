"""The Python stack of the call that runs now. faulthandler writes it, from the handler of a signal, in the child.

The handler also runs while the call is in a function of C. So a call that does not come back from one can be looked
into. The supervisor makes sure first that the signal does no harm: the child must still have the handler, and the file.
"""

# Importing the module signal takes half a millisecond per job, because it creates enums of its constants.
import _signal as signal  # type: ignore[import-not-found]
import os
import time

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNAL = signal.SIGRTMAX - 3
"""A signal that no known library uses, and with which HTCondor does not stop jobs."""
LARGEST = 1 << 16
"""Bytes of a stack; of a larger one, only the end is kept, because faulthandler writes the main thread last."""
_UNFINISHED = 1.0
"""Seconds after which a stack that does not grow is complete, whatever the signal masks of the threads say."""


def register(file: int) -> None:
    """Have this process write its stacks to *file*, a descriptor, when it gets the signal."""
    import faulthandler

    # With SA_RESTART: system calls go on afterwards, and Python itself repeats those that the kernel does not restart.
    faulthandler.register(SIGNAL, file=file, all_threads=True)


class Stack:
    """The stack of a call, which the child has been asked for, but may not have written yet."""

    def __init__(self, call: str, child: int, file: int) -> None:
        """Ask the process *child*, which makes the *call*, to write its stack to *file*.

        Raises :class:`OSError` if it cannot be asked: the call has taken the handler or the file away.
        """
        self.call = call
        self.child = child
        self.file = file
        self.size, self.since = 0, time.monotonic()
        masks = _masks("/proc/%d/status" % child)
        theirs = os.stat("/proc/%d/fd/%d" % (child, file))
        if not os.path.samestat(theirs, os.fstat(file)) or not _has_signal(masks["SigCgt"]):
            raise OSError("the call replaced the handler, or closed the file")
        os.ftruncate(file, 0)
        if not _has_signal(masks["ShdPnd"]):  # the process is stopped, and has not written what it was asked for before
            os.kill(child, SIGNAL)

    def look(self) -> "str | None":
        """Return the stack if all of it has been written."""
        size = os.fstat(self.file).st_size
        now = time.monotonic()
        if size != self.size:
            self.size, self.since = size, now
        if not size or (now - self.since < _UNFINISHED and self._is_handling()):
            return None
        return os.pread(self.file, LARGEST, max(size - LARGEST, 0)).decode("utf-8", "replace")

    def _is_handling(self) -> bool:
        """Whether a thread is in the handler, during which the signal is blocked, or is still to get the signal."""
        try:
            return any(
                _has_signal(masks["SigBlk"]) or _has_signal(masks["ShdPnd"]) for masks in _masks_of_threads(self.child)
            )
        except OSError:
            return True  # a thread has just ended: look again


def _masks_of_threads(process: int) -> "Iterator[dict[str, int]]":
    for thread in os.listdir("/proc/%d/task" % process):
        yield _masks("/proc/%d/task/%s/status" % (process, thread))


def _masks(path: str) -> "dict[str, int]":
    """Return the signal masks in a status file of the kernel, by their names there."""
    with open(path, "rb") as file:
        lines = (line.decode("ascii", "replace").split() for line in file)
        return {words[0][:-1]: int(words[1], 16) for words in lines if words and words[0] in _MASKS}


_MASKS = ("SigCgt:", "SigBlk:", "ShdPnd:")


def _has_signal(mask: int) -> bool:
    return bool(mask >> (SIGNAL - 1) & 1)
