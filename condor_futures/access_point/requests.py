"""The client's side of the access point: it sends requests to a helper process, and delivers the answers.

No code here calls the schedd itself; :mod:`condor_futures.access_point.helper` explains why.
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
from condor_futures.access_point.helper.words import Operation
from condor_futures.access_point.helper_process import HelperProcess
from condor_futures.access_point.location import Location
from condor_futures.errors import AccessPointError, CredentialError
from condor_futures.ownership import Owner, changes, owned

__all__ = [
    "AccessPoint",
    "AwayError",
    "missing_configuration",
]

logger = logging.getLogger(__name__)

Answer = Callable[[Any, "AccessPointError | None"], None]


class AwayError(AccessPointError):
    """The access point was unreachable, so the result of the request is unknown; a later request may succeed."""


_ERRORS: Mapping[str, type[AccessPointError]] = {"AwayError": AwayError, "CredentialError": CredentialError}


@owned(number="lock", attempts="writer", sent_to="writer")
@dataclass
class _Request:
    """An open request. Its parts belong to the owners of the same parts of the access point."""

    operation: Operation
    arguments: dict[str, Any]
    patience: float
    answer: Answer
    number: int = -1
    attempts: int = 0
    sent_to: HelperProcess | None = None


def missing_configuration() -> str:
    """Return what is wrong with CONDOR_CONFIG, as the end of a message; an empty string if it looks correct."""
    file = os.environ.get("CONDOR_CONFIG", "")
    if file in ("", "ONLY_ENV") or Path(file).exists():
        return ""
    return f"; CONDOR_CONFIG names {file}, which does not exist"


@owned(
    _process="lock",
    _why_closed="lock",
    about="lock",
    location="lock",
    _deaths="reader",
    deliver="client",
    patience="client",
)
class AccessPoint:
    """The helper process of one session, and its open requests.

    The reader thread delivers the answers in order, and a callback that takes an answer must be quick. :attr:`deliver`
    can pass the answers to another thread.

    The open requests, the helper process, and the location belong to the holder of the lock. The number of helpers in a
    row that failed belongs to the reader thread, and the attempts of each request to the writer thread.
    :attr:`deliver` and :attr:`patience` belong to the code that uses the access point, which sets them before its
    requests.
    """

    #: The number of helpers that may exit without an answer to a request, before the request fails.
    ATTEMPTS = 3
    #: The number of helpers in a row that may exit before they answer anything, or fail to start, before the access
    #: point is given up. The pauses between them start at PAUSE seconds, and each is twice as long as the one before,
    #: up to LONGEST_PAUSE. Their sum is 35 s, in which a machine without memory or process ids may recover.
    DEATHS, PAUSE, LONGEST_PAUSE = 8, 0.25, 10.0

    def __init__(self, location: Location, *, lock: Path | None = None, patience: float = 60.0) -> None:
        """Prepare the helper process, which :meth:`connect` starts.

        Args:
            location: the location of the schedd.
            lock: the helper process holds a shared lock on this file until it exits.
            patience: seconds to keep trying while the schedd does not answer at all.

        """
        self.location = self.given = location
        self._lock_file = lock
        self.patience = patience
        self.about: dict[str, str] = {}
        self._ids = itertools.count()
        self._lock = threading.RLock()
        self._requests: dict[int, _Request] = {}
        self._process: HelperProcess | None = None
        # Requests for the writer thread, which alone blocks while the helper waits for the schedd and does not read.
        self._outbox: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._why_closed = "the executor is closed"
        self._deaths = 0
        #: Runs the callback of an answer to :meth:`request`; a thread that wants to run it itself puts its inbox here.
        self.deliver: Callable[[Callable[[], None]], None] = lambda take: take()
        self._reader = threading.Thread(target=self._read_all, name="condor_futures access point", daemon=True)
        self._writer = threading.Thread(target=self._send_all, name="condor_futures access point writer", daemon=True)
        self._lock_owner = Owner("the holder of its lock", self._lock)
        self._reader_owner = Owner("its reader thread")
        self._writer_owner = Owner("its writer thread")
        self._lock_owner.takes(self, part="lock")
        self._reader_owner.takes(self, part="reader")

    def start(self) -> None:
        """Start the helper, which does not find the schedd yet: for an examination. :meth:`connect` does both.

        Raises:
            AccessPointError: if the system has no room for another process or thread.

        """
        try:
            with self._lock:
                self._start()
            self._reader.start()
            self._writer.start()
        except (OSError, RuntimeError) as error:
            self.kill()
            raise AccessPointError(
                f"the helper process for {self.location} cannot be started: {getattr(error, 'strerror', None) or error}"
            ) from error

    def connect(self, timeout: float = 30.0, *, advice: str = "pass access_point='personal'") -> dict[str, str]:
        """Start the helper, and find the schedd; return the schedd's name, address and version.

        Args:
            timeout: the longest wait for the schedd, in seconds.
            advice: how to use a personal pool, for a user without a local schedd.

        Raises:
            AccessPointError: if there is no such schedd, or it does not answer in time.

        """
        self.start()
        try:
            about: dict[str, str] = self._wait(Operation.CONNECT, self._where(), 0.0, timeout)
        except FutureTimeoutError:
            self.kill()
            raise AccessPointError(f"{self.location} did not answer within {timeout:g} s") from None
        except AccessPointError as error:
            self.kill()
            more = (
                f"{missing_configuration()}. Is HTCondor running on this machine? For a personal pool, {advice} "
                "(`condor-futures pool install` installs HTCondor for it)."
            )
            if self.location.name is not None:
                meant = difflib.get_close_matches(self.location.name.lower(), ["personal"], cutoff=0.75)
                more = f"; did you mean {meant[0]!r}, a pool of your own?" if meant else ""
            if "SEC_FS_ENFORCE_CHANNEL_BINDING" in str(error):
                more = ""  # the schedd is there
            raise AccessPointError(f"{self.location} cannot be used: {error}{more}") from None
        with self._lock:
            self.about = about
            if self.location == Location() and about.get("Name"):
                # The jobs will be in the queue of this schedd, even if another one becomes the local schedd.
                self.location = Location(about.get("Pool") or None, about["Name"], local=True)
        return about

    def request(self, operation: Operation, answer: Answer, **arguments: Any) -> None:
        """Request an operation, and return at once. :class:`~condor_futures.access_point.schedd.Schedd` calls this.

        *answer* is called with the result and None, or with None and an error.
        """

        def delivered(result: Any, error: AccessPointError | None) -> None:
            self.deliver(functools.partial(answer, result, error))

        self._request(_Request(operation, arguments, self.patience, delivered))

    def ask(self, operation: Operation, timeout: float, **arguments: Any) -> Any:
        """Request an operation, and wait for its result.

        Raises:
            AccessPointError: if the operation fails, or takes longer than *timeout* seconds.

        """
        try:
            return self._wait(operation, arguments, self.patience, timeout)
        except FutureTimeoutError:
            raise AccessPointError(f"{self.location} did not answer within {timeout:g} s") from None

    def _wait(self, operation: Operation, arguments: dict[str, Any], patience: float, timeout: float) -> Any:
        answered: Future[Any] = Future()

        def answer(result: Any, error: AccessPointError | None) -> None:
            answered.set_result(result) if error is None else answered.set_exception(error)

        self._request(_Request(operation, arguments, patience, answer))
        return answered.result(timeout)

    @property
    def usable(self) -> bool:
        """Whether the access point is neither closed nor given up."""
        return not self._closed.is_set()

    @property
    def why_closed(self) -> str:
        """The reason why the access point is not usable, if it is not."""
        return self._why_closed

    def close(self, timeout: float = 10.0) -> None:
        """Let the helper carry out the open requests and exit; kill it after *timeout* seconds."""
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
        """Kill the helper; open requests fail."""
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
                self._open(request)
                return
        request.answer(None, AccessPointError(self._why_closed))

    @changes("lock")
    def _open(self, request: _Request) -> None:
        request.number = next(self._ids)
        self._lock_owner.takes(request, part="lock")
        self._writer_owner.takes(request, part="writer")
        self._requests[request.number] = request
        self._outbox.put(request)

    @changes("lock")
    def _take(self, number: int) -> _Request | None:
        return self._requests.pop(number, None)

    def _send_all(self) -> None:
        with self._writer_owner.at_work():
            while (request := self._outbox.get()) is not None:
                self._send(request)
            assert self._process is not None
            # An explicit end, because the pipe stays open while a process that was forked from this one holds it.
            self._process.write(None)
            self._process.close_input()

    def _send(self, request: _Request) -> None:
        request.attempts += 1
        process = self._process
        assert process is not None
        if request.sent_to is process:
            return  # it was still in the outbox when the previous helper exited, and was put there a second time
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
        """Read the answers of one helper after another, until no helper replaces the last one."""
        with self._reader_owner.at_work():
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
                    # The answer is lost, and the helper may have other faults: another helper replaces it.
                    logger.error("the helper process for %s wrote a %s", self.location, error)  # noqa: TRY400
                    process.kill()
                    break
                self._deaths = 0
                self._answer(message)

    def _answer(self, message: words.Answer) -> None:
        with self._lock:
            request = self._take(message["id"])
        if request is not None:
            kind = _ERRORS.get(message.get("type", ""), AccessPointError)
            error = kind(message["error"]) if "error" in message else None
            try:
                request.answer(message.get("result"), error)
            except Exception:
                logger.exception("an answer from the schedd could not be processed")

    def _replace(self, status: int) -> bool:
        """Start another helper, unless the access point is closed or too many helpers failed; return whether it did."""
        what, why = f"exited with status {status}", f"keeps exiting; last exit status: {status}"
        while True:
            self._deaths += 1
            if 1 < self._deaths < self.DEATHS:
                self._closed.wait(Backoff(self.PAUSE, self.LONGEST_PAUSE).pause(self._deaths))
            with self._lock:
                if self._closed.is_set():
                    return False
                if self._deaths >= self.DEATHS:
                    self._why_closed = f"the helper process for {self.location} {why}"
                    logger.error("%s", self._why_closed)
                    self._closed.set()
                    return False
                logger.warning("the helper process for %s %s; starting another", self.location, what)
                try:
                    # The new helper must locate the schedd first; patience applies to the requests that follow.
                    self._start({"id": -1, "operation": Operation.CONNECT, "arguments": self._where(), "patience": 0.0})
                except Exception as error:  # noqa: BLE001 - any cause may be temporary
                    what = why = f"cannot be started: {error}"
                else:
                    return True

    def _repeat(self, status: int) -> None:
        """Repeat the requests that the helper did not answer; fail those that were sent ATTEMPTS times."""
        with self._lock:
            failed = [n for n, r in self._requests.items() if self._closed.is_set() or r.attempts >= self.ATTEMPTS]
            lost = [request for number in failed if (request := self._take(number))]
            again = list(self._requests.values())
        ended = f"the helper process for {self.location} exited with status {status} before it answered"
        for request in lost:
            request.answer(None, AccessPointError(self._why_closed if self._deaths >= self.DEATHS else ended))
        for request in again:
            if request.operation in words.SUBMISSIONS and request.attempts:
                request.arguments["again"] = True
            self._outbox.put(request)
