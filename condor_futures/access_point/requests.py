"""The access point, as the client sees it: requests go to a helper process, answers come back when they come.

Nothing here waits for the schedd; see :mod:`condor_futures.access_point.helper` for why.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import itertools
import logging
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_futures.access_point.backoff import Backoff
from condor_futures.access_point.helper import words
from condor_futures.access_point.helper_process import HelperProcess
from condor_futures.access_point.location import Location
from condor_futures.errors import AccessPointError, CredentialError

__all__ = [
    "AccessPoint",
    "AwayError",
]

logger = logging.getLogger(__name__)

Answer = Callable[[Any, "AccessPointError | None"], None]


class AwayError(AccessPointError):
    """Nobody could speak with it, so that nothing is known of what was asked for; that may pass."""


_ERRORS: Mapping[str, type[AccessPointError]] = {"AwayError": AwayError, "CredentialError": CredentialError}


@dataclass
class _Request:
    operation: str
    arguments: dict[str, Any]
    patience: float
    answer: Answer
    number: int = -1
    attempts: int = 0
    sent_to: HelperProcess | None = None


def _configuration() -> str:
    """What is wrong with the place of HTCondor's configuration, if that can be seen."""
    file = os.environ.get("CONDOR_CONFIG", "")
    if file in ("", "ONLY_ENV") or Path(file).exists():
        return ""
    return f"; CONDOR_CONFIG is {file}, where there is no file"


class AccessPoint:
    """The helper process of one session and the requests that are under way.

    Answers are delivered, in order, in a thread of this object's, and must be quick; or where :attr:`deliver` says.
    """

    #: A request whose helper died is made again, by a new helper, this often.
    ATTEMPTS = 3
    #: After so many helpers in a row that died before they had answered anything, or could not even be started, there
    #: is no further one; before each there is a pause of so many seconds, twice as long each time: 35 in all, in which
    #: a machine without memory or process ids may recover.
    DEATHS, PAUSE, LONGEST_PAUSE = 8, 0.25, 10.0

    def __init__(self, location: Location, *, lock: Path | None = None, patience: float = 60.0) -> None:
        """Prepare; :meth:`connect` starts the process.

        Args:
            location: where the schedd is.
            lock: the file that the process shares a lock on for as long as it lives.
            patience: seconds to go on trying while the schedd does not answer at all.

        """
        self.location = self.given = location
        self._lock_file = lock
        self.patience = patience
        self.about: dict[str, str] = {}
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._requests: dict[int, _Request] = {}
        self._process: HelperProcess | None = None
        # What is to be written; a thread of its own waits while the helper waits for the schedd and reads nothing.
        self._outbox: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._why_closed = "the executor is closed"
        self._deaths = 0
        #: Has an answer to :meth:`request` taken: an inbox, for who wants it in a thread of its own.
        self.deliver: Callable[[Callable[[], None]], None] = lambda take: take()
        self._reader = threading.Thread(target=self._read_all, name="condor_futures access point", daemon=True)
        self._writer = threading.Thread(target=self._send_all, name="condor_futures access point writer", daemon=True)

    def connect(self, timeout: float = 30.0, *, advice: str = "pass access_point='personal'") -> dict[str, str]:
        """Start the helper and find the schedd; gives its name, address and version.

        Args:
            timeout: seconds to wait for it.
            advice: how to have a personal pool, for who finds none here.

        Raises:
            AccessPointError: if it is not there, or does not answer in time.

        """
        try:
            self._start()
            self._reader.start()
            self._writer.start()
        except (OSError, RuntimeError) as error:  # there may be no room for another process, or thread
            self.kill()
            raise AccessPointError(
                f"the process that speaks with {self.location} cannot be started: "
                f"{getattr(error, 'strerror', None) or error}"
            ) from error
        try:
            self.about = self._wait("connect", self._where(), 0.0, timeout)
        except FutureTimeoutError:
            self.kill()
            raise AccessPointError(f"{self.location} did not answer within {timeout:g} s") from None
        except AccessPointError as error:
            self.kill()
            more = (
                f"{_configuration()}. Is HTCondor running here? A personal pool is one step away: {advice} "
                "(condor-futures pool install gets HTCondor for it)."
            )
            if self.location.name is not None:
                meant = difflib.get_close_matches(self.location.name.lower(), ["personal"], cutoff=0.75)
                more = f"; did you mean {meant[0]!r}, a pool of your own?" if meant else ""
            raise AccessPointError(f"{self.location} cannot be used: {error}{more}") from None
        if self.location == Location() and self.about.get("Name"):
            # There its jobs will be, whatever the environment says later.
            self.location = Location(self.about.get("Pool") or None, self.about["Name"], local=True)
        return self.about

    def request(self, operation: str, answer: Answer, **arguments: Any) -> None:
        """Ask for an operation, and return at once; :class:`~condor_futures.access_point.schedd.Schedd` does.

        *answer* is called with the result and None, or None and an error.
        """

        def delivered(result: Any, error: AccessPointError | None) -> None:
            self.deliver(functools.partial(answer, result, error))

        self._request(_Request(operation, arguments, self.patience, delivered))

    def ask(self, operation: str, timeout: float, **arguments: Any) -> Any:
        """Ask for an operation, and wait for its result.

        Raises:
            AccessPointError: if it fails, or takes longer than *timeout* seconds.

        """
        try:
            return self._wait(operation, arguments, self.patience, timeout)
        except FutureTimeoutError:
            raise AccessPointError(f"{self.location} did not answer within {timeout:g} s") from None

    def _wait(self, operation: str, arguments: dict[str, Any], patience: float, timeout: float) -> Any:
        answered: Future[Any] = Future()

        def answer(result: Any, error: AccessPointError | None) -> None:
            answered.set_result(result) if error is None else answered.set_exception(error)

        self._request(_Request(operation, arguments, patience, answer))
        return answered.result(timeout)

    @property
    def usable(self) -> bool:
        """It has been neither closed nor given up."""
        return not self._closed.is_set()

    @property
    def why_closed(self) -> str:
        """Why it is not usable, where it is not."""
        return self._why_closed

    def close(self, timeout: float = 10.0) -> None:
        """Let the helper finish what it was asked, and end it; after *timeout* seconds, kill it."""
        with self._lock:
            self._closed.set()
            process = self._process
        if process is None:
            return
        self._outbox.put(None)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._join()

    def kill(self) -> None:
        """End the helper now; requests that are under way are answered with an error."""
        with self._lock:
            self._closed.set()
            process = self._process
        if process is not None:
            process.kill()
            process.wait()
            self._outbox.put(None)
            self._join()

    def _join(self) -> None:
        for thread in (self._reader, self._writer):
            if thread.is_alive():
                thread.join()
        if self._process is not None:
            self._process.close()

    def _where(self) -> dict[str, Any]:
        return {"pool": self.location.pool, "name": self.location.name, "local": self.location.local}

    def _start(self, *messages: words.Request) -> None:
        environment = self.location.environment
        self._process = HelperProcess(*messages, environment=environment, lock_file=self._lock_file)

    def _request(self, request: _Request) -> None:
        with self._lock:
            if not self._closed.is_set():
                request.number = next(self._ids)
                self._requests[request.number] = request
                self._outbox.put(request)
                return
        request.answer(None, AccessPointError(self._why_closed))

    def _send_all(self) -> None:
        while (request := self._outbox.get()) is not None:
            self._send(request)
        assert self._process is not None
        # Said, because its input does not end as long as a process that was forked from this one holds the pipe too.
        self._process.write(None)
        self._process.close_input()

    def _send(self, request: _Request) -> None:
        request.attempts += 1
        process = self._process
        assert process is not None
        if request.sent_to is process:
            return  # the helper before died with the request still in the outbox, and it was put there once more
        request.sent_to = process
        process.write(
            {
                "id": request.number,
                "operation": request.operation,
                "arguments": request.arguments,
                "patience": request.patience,
            }
        )

    def _read_all(self) -> None:
        """Read what one helper after the other answers, until there is none any more."""
        replaced = True
        while replaced:
            process = self._process
            assert process is not None
            self._read(process)
            status = process.wait()
            process.close_input()
            replaced = self._replace(status)
            self._repeat(status)

    def _read(self, process: HelperProcess) -> None:
        with contextlib.closing(process.lines()) as lines:
            for line in lines:
                try:
                    message = words.answer_from(line)
                except words.MessageError as error:
                    # What it was to say is not known, nor what else is wrong: another helper is asked instead.
                    logger.error("the helper of %s wrote a %s", self.location, error)  # noqa: TRY400
                    process.kill()
                    break
                self._deaths = 0
                self._answer(message)

    def _answer(self, message: words.Answer) -> None:
        with self._lock:
            request = self._requests.pop(message["id"], None)
        if request is not None:
            kind = _ERRORS.get(message.get("type", ""), AccessPointError)
            error = kind(message["error"]) if "error" in message else None
            try:
                request.answer(message.get("result"), error)
            except Exception:
                logger.exception("an answer of the schedd's could not be used")

    def _replace(self, status: int) -> bool:
        """Start another helper, if that makes sense."""
        what = f"ended with status {status}"
        while True:
            self._deaths += 1
            if 1 < self._deaths < self.DEATHS:
                self._closed.wait(Backoff(self.PAUSE, self.LONGEST_PAUSE).pause(self._deaths))
            with self._lock:
                if self._closed.is_set():
                    return False
                if self._deaths >= self.DEATHS:
                    self._why_closed = f"the process that speaks with {self.location} does not live: it {what}"
                    logger.error("%s", self._why_closed)
                    self._closed.set()
                    return False
                logger.warning("the helper of %s %s; starting another", self.location, what)
                try:
                    # The new one has to be told where the schedd is; patience applies to what follows.
                    self._start({"id": -1, "operation": "connect", "arguments": self._where(), "patience": 0.0})
                except Exception as error:  # noqa: BLE001 - whatever it is, it may have passed next time
                    what = f"cannot be started: {error}"
                else:
                    return True

    def _repeat(self, status: int) -> None:
        """Make the requests again that the dead helper has not answered; answer those that were made often enough."""
        with self._lock:
            failed = [n for n, r in self._requests.items() if self._closed.is_set() or r.attempts >= self.ATTEMPTS]
            lost = [self._requests.pop(number) for number in failed]
            again = list(self._requests.values())
        ended = f"the process that speaks with the schedd ended ({status})"
        for request in lost:
            request.answer(None, AccessPointError(self._why_closed if self._deaths >= self.DEATHS else ended))
        for request in again:
            if request.operation in words.SUBMISSIONS and request.attempts:
                request.arguments["again"] = True
            self._outbox.put(request)
