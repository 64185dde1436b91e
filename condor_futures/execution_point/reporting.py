"""``condor_futures.report``: a call tells how far it has got. This module travels to the execution point."""

import json
import threading

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    import mmap

__all__ = ["report"]

REPORT_SIZE = 1024
"""Bytes of the memory in which a call reports: a number that is odd while it writes, the length, and JSON."""
_LONGEST_TEXT = 200  # characters
_lock = threading.Lock()


class Reporter:
    """Where the calls of this process report to; nowhere in the client, and in a job without a line."""

    memory: "mmap.mmap | None" = None
    call = ""


#: A process makes one call at a time.
reporter = Reporter()


def report(fraction: float, text: str = "") -> None:
    """Tell how far the call that calls this function has got; its future's ``progress`` says so within a second.

    In a job that is neither warm nor streams its outcomes, and outside of a job, this does nothing.

    Args:
        fraction: how much of the work is done, from 0 to 1.
        text: what the call is doing; the first 200 characters count.

    Raises:
        TypeError: *fraction* is not a number, or *text* not a string.
        ValueError: *fraction* is below 0, above 1, or not a number.

    Example:
        >>> from condor_futures import report
        >>> def fit(steps):
        ...     for step in range(steps):
        ...         report(step / steps, f"step {step}")
        ...     return steps
        >>> executor.submit(fit, 100).result()
        100

    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    fraction = float(fraction)
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be from 0 to 1, not {fraction!r}")
    memory = reporter.memory
    if memory is None:
        return
    data = json.dumps({"call": reporter.call, "fraction": fraction, "text": text[:_LONGEST_TEXT]}).encode()
    if len(data) > REPORT_SIZE - 8:  # escapes of characters beyond ASCII are long
        data = json.dumps({"call": reporter.call, "fraction": fraction, "text": ""}).encode()
    with _lock:
        number = int.from_bytes(memory[:4], "big")
        memory[:4] = (number | 1).to_bytes(4, "big")
        memory[4:8] = len(data).to_bytes(4, "big")
        memory[8 : 8 + len(data)] = data
        memory[:4] = ((number | 1) + 1 & 0xFFFFFFFF).to_bytes(4, "big")


def read(memory: "mmap.mmap", last: int) -> "tuple[int, dict[str, object] | None]":
    """Return the number of the report in *memory*, and the report if it is not the *last* one, and complete."""
    number = int.from_bytes(memory[:4], "big")
    if number == last or number & 1:
        return last, None
    data = memory[8 : 8 + int.from_bytes(memory[4:8], "big")]
    if int.from_bytes(memory[:4], "big") != number:
        return last, None
    try:
        found = json.loads(data.decode())
    except ValueError:  # of a process that was killed while it wrote
        return number, None
    return number, found
