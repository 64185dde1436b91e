"""Requests are read, carried out and answered, one after the other.

The bindings hold the GIL from the start of a call to its end (25.14): a schedd that was stopped for six seconds froze
every thread of the client for as long. So they are called here, in a process of their own that
:mod:`condor_futures.access_point.requests` starts and, if need be, kills. It needs only ``htcondor2``, and
:mod:`condor_futures.access_point.helper.credd` where jobs get credentials.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from condor_futures.access_point.backoff import Backoff
from condor_futures.access_point.helper.locating import AwayError
from condor_futures.access_point.helper.retrieving import Retrieving
from condor_futures.access_point.helper.submitting import Submitting
from condor_futures.access_point.helper.words import SUBMISSIONS, Answer, MessageError, encode, request_from

__all__ = ["Performer", "serve"]


#: Seconds until a request is made again: at a schedd that answers, and at one that is away.
_SOON, _AWAY = 0.5, Backoff(1.0, 10.0)


class Performer(Submitting, Retrieving):
    """Carries out every operation, in spite of a schedd that is away for a while."""

    def perform(self, operation: str, arguments: dict[str, Any], patience: float) -> Any:
        """Carry out a request; while the schedd does not answer at all, try again for *patience* seconds.

        The bindings raise the same exception with other words for a schedd that is away and for one that refuses, so
        it is asked something harmless to tell the two apart. One that does not let the user in is away too: a ticket
        or token has expired, and may be renewed. A request that fails although the schedd answers gets one
        more try: at more than a thousand jobs a call fails now and then. A failure while the schedd
        was away uses up no try: with a full disk it may be restarted several times.

        Raises:
            AwayError: if it was away to the last.

        """
        deadline = time.monotonic() + patience
        chances, away = 2, 0
        while True:
            try:
                if self._schedd is None and operation != "connect":
                    self._reach()  # this helper was started while the schedd was away
                return getattr(self, operation)(**arguments)
            except (self._htcondor.HTCondorException, AwayError) as error:
                if operation == "connect":
                    raise
                failure: Exception = error
                try:
                    before = self._address
                    self._reach()
                    # A schedd that was restarted has another address.
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


def serve(performs: Callable[[], Performer] = Performer) -> None:
    """Answer requests until the input ends."""
    # The bindings may print; what they print must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Ctrl-C in a terminal reaches the whole process group; the client decides what becomes of its jobs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    performer: Performer | None = None
    for line in sys.stdin:
        try:
            request = request_from(line)
            if request is None:
                return
        except MessageError as error:
            if error.number is None:
                raise  # nobody can be answered; the client sees this process end, and makes its requests again
            answer = _error(error.number, error)
        else:
            try:
                if performer is None:
                    performer = performs()
                result = performer.perform(request["operation"], request["arguments"], request["patience"])
                answer = {"id": request["id"], "result": result}
            except Exception as error:  # noqa: BLE001 - it is the client's to judge
                answer = _error(request["id"], error)
        try:
            answers.write(encode(answer))
            answers.flush()
        except BrokenPipeError:
            os._exit(1)  # the client is gone; what is left of the answer would be an error again at exit


def _error(number: int, error: Exception) -> Answer:
    # HTCondor's words may have several lines, and tabs.
    words = " ".join((str(error) or type(error).__name__).split()).rstrip(".")
    return {"id": number, "error": words, "type": type(error).__name__}
