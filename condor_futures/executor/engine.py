"""The engine, which an executor and its derived executors share: the session, the watcher, and the start of both."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from condor_futures.access_point.choosing import Place
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.code import CodePacker
from condor_futures.calls.repeats import Repeats
from condor_futures.calls.stored_calls import StoredCalls
from condor_futures.calls.usages import Usages
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CredentialError
from condor_futures.executor import at_exit
from condor_futures.executor.session_futures import SessionFutures
from condor_futures.future import CondorFuture
from condor_futures.options.categories import Categories
from condor_futures.options.credentials import renew_after
from condor_futures.ownership import Owner, owned
from condor_futures.recovery.evidence import Unused
from condor_futures.session.event_log import EventLog
from condor_futures.session.finding import check_session_directory, session_path, sessions_directory
from condor_futures.session.session import Session
from condor_futures.watching.watcher import Watcher

__all__ = ["DEFAULT_MAX_WORKERS", "Connection", "Engine", "connect", "make_engine", "start", "start_watcher"]

#: Seconds to wait for the collector's answer about the number of cores in the pool.
_CORES_TIMEOUT = 10.0

DEFAULT_MAX_WORKERS = 1000
"""The default maximum number of jobs of an executor in the queue: more jobs overload access points."""


@dataclass
class Numbers:
    """The next numbers of calls, bundles and clusters. ``next()`` is atomic, so any thread may take one."""

    calls: Iterator[int] = field(default_factory=itertools.count)
    bundles: Iterator[int] = field(default_factory=itertools.count)
    clusters: Iterator[int] = field(default_factory=itertools.count)


@owned(shut_down="lock", _cores="lock")
class Engine:
    """The session, the watcher and the numbers that an executor and its derived executors share.

    An engine belongs to the thread that creates it until :func:`start_watcher`. From then on, the holder of ``lock``
    owns ``shut_down`` and the number of cores, and all other attributes never change. Any thread may take numbers from
    the counters: each number is used only once.
    """

    def __init__(
        self, session: Session, watcher: Watcher, max_workers: int, categories: Categories, numbers: Numbers
    ) -> None:
        self.session = session
        self.packer = CodePacker(session)
        self.repeats = Repeats()
        self.usages = Usages(session.directory)
        self.watcher = watcher
        self.max_workers = max_workers
        self.categories = categories
        self.lock = watcher.lock
        self.numbers = numbers
        self.shut_down = False
        self._cores: int | None = None
        #: The futures of all calls, if the executor attached to the session, and of all calls that have names.
        self.futures = SessionFutures()
        self.process = os.getpid()
        #: One object for all futures.
        self.cancel = watcher.cancel

    def count_from(self, unused: Unused) -> None:
        """Start the counters at *unused*: smaller numbers are or were in use."""
        self.numbers.calls = itertools.count(unused.calls)
        self.numbers.bundles = itertools.count(unused.bundles)
        self.numbers.clusters = itertools.count(unused.clusters)

    def workers(self) -> int:
        """Return the estimated maximum number of running jobs.

        In a small pool it is smaller than the maximum number of jobs in the queue.
        """
        if self._cores is None:
            try:
                cores = self.watcher.cores(_CORES_TIMEOUT)
            except AccessPointError:  # some collectors refuse such queries
                return self.max_workers
            with self.lock:  # not during the query, which would block other threads
                self._cores = cores
        return min(self.max_workers, self._cores or self.max_workers)

    def check_open(self) -> None:
        """Raise the standard library's exceptions if the executor does not accept calls any more.

        Raises:
            BrokenCondorExecutor: the executor is broken.
            RuntimeError: it was shut down, the interpreter is exiting, or this is a forked process.

        """
        if self.watcher.broken is not None:
            raise BrokenCondorExecutor(f"the executor is broken: {self.watcher.broken}")
        if self.shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if at_exit.interpreter_exits():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if self.process != os.getpid():
            raise RuntimeError(
                f"this executor belongs to the process {self.process}, which forked this process; "
                "create a new CondorExecutor here"
            )

    def add(self, bundles: list[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted, unless the executor was shut down in the meantime."""
        with self.lock:
            # shutdown() takes the same lock, so the watcher sees all bundles that were added before the shutdown.
            self.check_open()
            self.watcher.add(bundles, complete=complete)

    def store(self, stored: StoredCalls, bundle: Bundle, futures: Mapping[str, CondorFuture[Any]]) -> None:
        """Have calls made by warm jobs, unless the executor was shut down in the meantime.

        They are *stored* in the file of *bundle*.
        """
        with self.lock:  # see add()
            self.check_open()
            self.watcher.store(stored, bundle, futures)

    def key_of(self, future: Future[Any]) -> str:
        """Return the key by which calls refer to the value of *future*.

        It is the call's own key if the future belongs to this session, or else a generated one.
        """
        if isinstance(future, CondorFuture) and self._is_ours(future):
            return future.key
        return f"x{id(future):x}"  # unique while a call that refers to the future waits for it

    def _is_ours(self, future: CondorFuture[Any]) -> bool:
        bundle = cast("Bundle | None", future.bundle)
        if bundle is not None:
            return bundle.directory.is_relative_to(self.session.directory)
        return future.is_cancelled_by(self.watcher.cancel)  # a call that could not be submitted has no bundle


#: Seconds to wait until credentials are stored. The site's program and the credd, which waits for the credmon, take up
#: to 20 s each. A SEC_CREDENTIAL_STORER may wait for the user to log in.
_CREDENTIALS_TIMEOUT = 120.0


def start(
    session: str | Path | None,
    access_point: str | tuple[str, str] | None,
    max_workers: int | None,
    credentials: Mapping[str, Any] | None = None,
) -> Engine:
    """Connect to the access point, which may start a personal pool, and create a session there.

    Args:
        session: as in the executor's constructor.
        access_point: as in the executor's constructor.
        max_workers: the maximum number of jobs in the queue; None for the default.
        credentials: credentials to store there first, as returned by :func:`credentials.to_store`.

    Raises:
        ValueError: HTCondor does not support the name of the session's directory.
        CondorFuturesError: as in the executor's constructor.

    """
    directory = session_path(session)
    check_session_directory(directory or sessions_directory())
    settings = {
        "access_point": access_point,
        "max_workers": max_workers or DEFAULT_MAX_WORKERS,
        "credentials": credentials,
    }
    with contextlib.ExitStack() as undo:
        place = Place.find(access_point)
        undo.callback(place.leave)
        made = Session.create(directory, owner=place.owner, settings=settings)
        undo.callback(made.remove)
        engine = make_engine(connect(made, place, settings, credentials, undo), EventLog(made.event_log))
        start_watcher(engine, undo)
        return engine


@dataclass(frozen=True)
class Connection:
    """A session that this process has locked, and the access point of its jobs.

    Attributes:
        session: the session.
        access_point: the access point, connected by a helper process.
        place: how jobs are submitted to the access point.
        max_workers: the maximum number of jobs in the queue.
        renewal: the jobs' credentials, and the seconds until they must be stored again; None without credentials.

    """

    session: Session
    access_point: AccessPoint
    place: Place
    max_workers: int
    renewal: tuple[Mapping[str, Any], float] | None


def connect(
    session: Session,
    place: Place,
    settings: Mapping[str, Any],
    credentials: Mapping[str, Any] | None,
    undo: contextlib.ExitStack,
) -> Connection:
    """Connect to the access point of *session*, and record the settings that the next client needs.

    Args:
        session: a new session, or one to attach to. This process has locked it.
        place: the place of its jobs.
        settings: settings to record in the session for a client that attaches later.
        credentials: credentials to store first; None for none.
        undo: undoes the previous steps if a later step fails.

    """
    helper = AccessPoint(place.location, lock=session.lock.path)
    undo.callback(helper.close)
    helper.connect()
    renewal = None if credentials is None else (credentials, _store(helper, credentials))
    session.keep(**settings, schedd=helper.location.schedd)
    session.write_runner()
    return Connection(session, helper, place, settings["max_workers"], renewal)


def make_engine(connection: Connection, event_log: EventLog) -> Engine:
    """Create an engine whose watcher has not started. The watcher reads *event_log* from its current position."""
    categories = Categories()
    numbers = Numbers()
    watcher = Watcher(
        connection.session,
        connection.access_point,
        event_log,
        max_jobs=connection.max_workers,
        categories=categories,
        transfer=connection.place.transfer,
        afterwards=connection.place.leave,
        next_bundle=lambda: next(numbers.bundles),
        # The schedd is on this machine, so that its shadows see the session's directory.
        warm=connection.place.location.is_here,
        renewal=connection.renewal,
    )
    return Engine(connection.session, watcher, connection.max_workers, categories, numbers)


def start_watcher(engine: Engine, undo: contextlib.ExitStack) -> None:
    """Start the watcher. From now on the watcher cleans up, instead of *undo*."""
    Owner("the holder of the engine's lock", engine.lock).takes(engine, part="lock")
    at_exit.wait_for(engine.watcher)
    undo.callback(at_exit.forget, engine.watcher)
    engine.watcher.start()
    undo.pop_all()


def _store(helper: AccessPoint, credentials: Mapping[str, Any]) -> float:
    """Store the jobs' credentials, and return the seconds until they must be stored again.

    Raises:
        CredentialError: the credentials cannot be stored.

    """
    stored = Schedd(helper).store_credentials(**credentials).wait(_CREDENTIALS_TIMEOUT)
    if stored["url"]:
        raise CredentialError(
            f"the access point needs your consent for a token: visit {stored['url']} and create the executor again",
            stored["url"],
        )
    return renew_after(stored["ticket"], time.time())
