"""Stores calls for warm jobs in the files of the session."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from condor_futures.calls.calls_file import writing_calls
from condor_futures.errors import CondorFuturesError

if TYPE_CHECKING:
    from condor_futures.calls.bundle import Bundle
    from condor_futures.calls.calls_file import Call
    from condor_futures.calls.stored_calls import StoredCalls
    from condor_futures.executor.intake import Intake
    from condor_futures.future import CondorFuture
    from condor_futures.options.ship import Code

__all__ = ["CallStorage"]


class CallStorage:
    """Stores the calls of one intake for warm jobs, in one file after another. Any thread may add calls."""

    def __init__(self) -> None:
        """Create it without a file."""
        self._lock = threading.Lock()
        self._bundle: Bundle | None = None
        self._calls: StoredCalls | None = None
        self._code: Code | None = None

    def add(self, intake: Intake, made: Sequence[tuple[CondorFuture[Any], Call]]) -> None:
        """Store calls, and have them made. If they cannot be stored, their futures fail.

        Raises:
            RuntimeError, BrokenCondorExecutor: the executor accepts no more calls.

        """
        calls = [call for _, call in made]
        with self._lock:
            try:
                with writing_calls(intake.engine.session.directory):
                    code = intake.code
                    if self._calls is None or self._bundle is None or self._calls.full or code != self._code:
                        self._bundle, self._calls = intake.new_storage()
                        self._code = code
                    self._calls.append(calls)
            except (CondorFuturesError, OSError, ValueError) as failure:
                intake.fail(made, failure)
                return
            for future, _ in made:
                future.bundle = self._bundle
            try:
                intake.engine.store(self._calls, self._bundle, {future.key: future for future, _ in made})
            except BaseException:
                with contextlib.suppress(OSError):
                    self._calls.take_back(calls)  # so that no client that attaches makes these refused calls
                raise
            intake.record((future for future, _ in made), {call.key: list(call.futures) for call in calls})
