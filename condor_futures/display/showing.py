"""Where calls are shown, and the thread that draws them."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import IO, Final, Protocol

from condor_futures.display.line import Calls, Pace, Part, bar, ended, fit, parts
from condor_futures.display.notebook import Cell, in_notebook, page
from condor_futures.display.screen import STYLES, is_terminal, screen

__all__ = ["Showing", "show"]

logger = logging.getLogger(__name__)

_INTERVAL: Final = 0.25  # s between two drawings
_SHARE: Final = 0.05  # of the thread's time is spent on drawings, at most
_WIDE: Final = 10_000  # columns; the last line may be wrapped
_shown: weakref.WeakSet[Showing] = weakref.WeakSet()


class _Medium(Protocol):
    """Where a line is shown."""

    def show(self, line: list[Part], counts: dict[str, int]) -> None: ...
    def end(self, line: list[Part], counts: dict[str, int]) -> None: ...


class _Terminal:
    """A line of the screen."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._styles = None if os.environ.get("NO_COLOR") else STYLES
        self._bar = (getattr(stream, "encoding", None) or "").lower().startswith("utf")

    def show(self, line: list[Part], counts: dict[str, int]) -> None:
        whole = [line[0], *([bar(counts)] if self._bar else []), *line[1:]]
        screen.show(self, lambda columns: fit(whole, columns, self._styles), self._stream)
        screen.draw()

    def end(self, line: list[Part], counts: dict[str, int]) -> None:
        if counts:  # a short program may end before the first drawing
            screen.show(self, lambda _: "", self._stream)
        screen.end(self, fit(line, _WIDE, self._styles) if counts else "")


class _Notebook:
    """An output of a cell."""

    def __init__(self) -> None:
        self._cell = Cell()

    def show(self, line: list[Part], counts: dict[str, int]) -> None:
        self._cell.show(page(line, counts))

    end = show


class _LastLine:
    """A file that gets only the last line."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def show(self, line: list[Part], counts: dict[str, int]) -> None:
        pass

    def end(self, line: list[Part], counts: dict[str, int]) -> None:  # noqa: ARG002 - as the others
        print(fit(line, _WIDE), file=self._stream, flush=True)


class Showing:
    """The calls of one executor, as they are shown. The thread that draws changes it, until :meth:`finish`."""

    def __init__(self, calls: Calls, description: str, medium: _Medium, over: Callable[[], bool]) -> None:
        self._calls, self._description, self._medium, self._over = calls, description, medium, over
        self._pace = Pace()
        self._began: float | None = None
        self._last = 0.0  # when calls were last under way
        self._finished = threading.Event()
        self._lock = threading.RLock()  # the thread draws, and any thread finishes
        self._thread = threading.Thread(target=self._draw_all, name="condor_futures progress", daemon=True)

    def start(self) -> Showing:
        """Begin to draw. Without room for a thread nothing changes until the end."""
        with contextlib.suppress(RuntimeError):
            self._thread.start()
        _shown.add(self)
        return self

    def finish(self) -> None:
        """Draw the last state, which stays. A second call does nothing."""
        with self._lock:
            if self._finished.is_set():
                return
            self._finished.set()
            try:
                look = self._look()
            except Exception:  # noqa: BLE001 - the thread has said so; the program must not fail for a line
                look = [], {}
            with contextlib.suppress(OSError, ValueError):  # the stream is closed
                self._medium.end(*look)

    def _draw_all(self) -> None:
        pause = _INTERVAL
        try:
            while not self._finished.wait(pause) and not self._over():
                began = time.monotonic()
                with self._lock:
                    if not self._finished.is_set() and (look := self._look())[1]:
                        self._medium.show(*look)
                # Counting takes longer the more jobs there are.
                pause = max(_INTERVAL, (time.monotonic() - began) / _SHARE)
        except Exception:
            logger.exception("the progress of calls cannot be shown any more")
        finally:
            self.finish()

    def _look(self) -> tuple[list[Part], dict[str, int]]:
        """Return the line, and the numbers of calls."""
        now, counts = time.monotonic(), dict(self._calls.counts())
        if counts and self._began is None:
            self._began = self._last = now
        if sum(counts.values()) > ended(counts):
            self._last = now
        pace = self._pace.observe(now, ended(counts))
        elapsed = self._last - self._began if self._began is not None else 0.0
        reports = list(self._calls.reports().values())
        return parts(self._description, counts, reports, elapsed=elapsed, pace=pace), counts


def show(
    calls: Calls,
    description: str = "calls",
    *,
    stream: IO[str] | None = None,
    last_line: bool = False,
    over: Callable[[], bool] = lambda: False,
) -> Showing | None:
    """Show calls in a notebook or in a terminal, and nowhere else.

    Args:
        calls: the calls.
        description: their name.
        stream: the terminal; standard error by default.
        last_line: if *stream* is neither, print the last state there.
        over: returns whether no more calls will come, and all have ended.

    Returns:
        What ends the display; None if nothing is shown.

    """
    medium: _Medium
    stream = stream or sys.stderr
    if in_notebook():
        medium = _Notebook()
        medium.show(parts(description, {}), {})  # now, as the thread's outputs might come under another cell
    elif is_terminal(stream) and not hasattr(sys, "ps1"):  # a prompt and a line would be in each other's way
        medium = _Terminal(stream)
    elif last_line:
        medium = _LastLine(stream)
    else:
        return None
    return Showing(calls, description, medium, over).start()


def _finish_all() -> None:
    for showing in list(_shown):
        showing.finish()


# Executors import this module before they register to wait for their calls at exit. So this comes after the wait.
atexit.register(_finish_all)
os.register_at_fork(after_in_child=_shown.clear)
