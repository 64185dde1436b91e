"""The loop that reads requests, carries them out, and answers them, one after the other.

The bindings hold the GIL from the start of a call to its end (25.14): a schedd that was stopped for six seconds froze
every thread of the client for six seconds. So this module calls them in a separate process.
:mod:`condor_futures.access_point.requests` starts this process and kills it if necessary. The process needs only
``htcondor2``, and :mod:`condor_futures.access_point.helper.credd` if jobs get credentials.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from condor_futures.access_point.backoff import Backoff
from condor_futures.access_point.helper.examining import Examining
from condor_futures.access_point.helper.locating import AwayError, bindings_version
from condor_futures.access_point.helper.retrieving import Retrieving
from condor_futures.access_point.helper.submitting import Submitting
from condor_futures.access_point.helper.words import SUBMISSIONS, Answer, MessageError, encode, request_from

__all__ = ["Performer", "serve"]

#: The pauses in seconds before a request is repeated: to a schedd that answers, and to an unreachable schedd.
_SOON, _AWAY = 0.5, Backoff(1.0, 10.0)
#: The operations that find the schedd themselves.
_FIRST = ("connect", "examine")


class Performer(Submitting, Retrieving, Examining):
    """Carries out every operation, and repeats it while the schedd is unreachable. It belongs to the only thread."""

    def perform(self, operation: str, arguments: dict[str, Any], patience: float) -> Any:
        """Carry out a request; while the schedd does not answer at all, retry for *patience* seconds.

        The bindings raise the same exception, with different messages, for an unreachable schedd and for a schedd that
        refuses. A harmless query tells the two apart. A schedd that does not authorize the user counts as unreachable,
        because an expired ticket or token may be renewed. A request that fails although the schedd answers gets one
        more attempt, because with more than a thousand jobs a call fails now and then. A failure while the schedd was
        unreachable does not use up an attempt, because a schedd with a full disk may be restarted several times.

        Raises:
            AwayError: if the schedd was still unreachable at the last attempt.

        """
        deadline = time.monotonic() + patience
        chances, away = 2, 0
        while True:
            try:
                if self._schedd is None and operation not in _FIRST:
                    self._reach()  # this helper was started while the schedd was unreachable
                with self._needing_methods():
                    return getattr(self, operation)(**arguments)
            except (self._htcondor.HTCondorException, AwayError) as error:
                if operation == "connect":
                    raise
                failure: Exception = error
                try:
                    before = self._address
                    self._reach()
                    # A restarted schedd has another address.
                    pause, away = _SOON, 0
                    chances = chances - 1 if self._address == before else 2
                except AwayError as unreached:
                    pause, away = _AWAY.pause(away), away + 1
                    chances, failure = 2, unreached
                if not chances or time.monotonic() > deadline:
                    raise failure from None
                time.sleep(pause)
                if operation in SUBMISSIONS:
                    arguments = {**arguments, "again": True}

    @contextlib.contextmanager
    def _needing_methods(self) -> Iterator[None]:
        """Convert the error about something that older bindings lack."""
        try:
            yield
        except AttributeError as error:
            if not (type(error.obj).__module__.startswith("htcondor2") or error.obj is self._htcondor):
                raise
            raise NotImplementedError(
                f"your HTCondor bindings {bindings_version(self._htcondor)} have no {error.name}; install newer ones "
                "with `pip install --upgrade htcondor`"
            ) from None


def serve(performs: Callable[[], Performer] = Performer) -> None:
    """Answer requests until the input ends."""
    # Output that the bindings print must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C in a terminal reaches the whole process group; the client decides what happens to its jobs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    performer: Performer | None = None
    for line in sys.stdin:
        try:
            request = request_from(line)
            if request is None:
                return
        except MessageError as error:
            if error.number is None:
                raise  # there is no request to answer; the client sees this process exit, and repeats its requests
            answer = _error(error.number, error)
        else:
            try:
                if performer is None:
                    performer = performs()
                result = performer.perform(request["operation"], request["arguments"], request["patience"])
                answer = {"id": request["id"], "result": result}
            except Exception as error:  # noqa: BLE001 - the client judges it
                answer = _error(request["id"], error)
        try:
            answers.write(encode(answer))
            answers.flush()
        except BrokenPipeError:
            os._exit(1)  # the client is gone; flushing the rest of the answer at exit would fail again


def _error(number: int, error: Exception) -> Answer:
    # HTCondor's messages may have several lines, and tabs.
    words = " ".join((str(error) or type(error).__name__).split()).rstrip(".")
    return {"id": number, "error": words, "type": type(error).__name__}
