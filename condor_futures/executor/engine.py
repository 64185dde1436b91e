"""What an executor shares with those derived from it: the session, the watcher, and how both begin and end."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from condor_futures.access_point.choosing import Place
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CredentialError
from condor_futures.executor import at_exit
from condor_futures.future import CondorFuture
from condor_futures.options.categories import Categories
from condor_futures.options.credentials import renew_after
from condor_futures.recovery.evidence import Unused
from condor_futures.session.event_log import EventLog
from condor_futures.session.finding import check_session_directory, session_path, sessions_directory
from condor_futures.session.session import Session
from condor_futures.watching.watcher import Watcher

__all__ = ["DEFAULT_MAX_WORKERS", "Connection", "Engine", "connect", "make_engine", "start", "start_watcher"]

#: Seconds for the pool's collector to say how many cores there are.
_CORES_TIMEOUT = 10.0

DEFAULT_MAX_WORKERS = 1000
"""How many jobs an executor has in the queue at once unless it is told otherwise: more overwhelm access points."""


class Engine:
    """What an executor and those derived from it share: a session, its watcher, and the numbers given out so far."""

    def __init__(self, session: Session, watcher: Watcher, max_workers: int, categories: Categories) -> None:
        self.session = session
        self.watcher = watcher
        self.max_workers = max_workers
        self.categories = categories
        self.lock = watcher.lock
        self.calls = itertools.count()
        self.bundles = itertools.count()
        self.clusters = itertools.count()
        self.shut_down = False
        self._cores: int | None = None
        #: Of a session that was taken up, the futures of all its calls, by key.
        self.futures: dict[str, CondorFuture[Any]] = {}
        self.process = os.getpid()

    def count_from(self, unused: Unused) -> None:
        """Give out numbers from *unused* on: smaller ones are in use, or were."""
        self.calls = itertools.count(unused.calls)
        self.bundles = itertools.count(unused.bundles)
        self.clusters = itertools.count(unused.clusters)

    def workers(self) -> int:
        """How many jobs may run at once, as far as is known: in a small pool fewer than may be in the queue."""
        if self._cores is None:
            try:
                self._cores = self.watcher.cores(_CORES_TIMEOUT)
            except AccessPointError:  # not every collector tells everybody
                return self.max_workers
        return min(self.max_workers, self._cores or self.max_workers)

    def check_open(self) -> None:
        """Raise what the standard library's executors raise when they take no more calls."""
        if self.watcher.broken is not None:
            raise BrokenCondorExecutor(f"the executor is broken: {self.watcher.broken}")
        if self.shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if at_exit.interpreter_exits():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        if self.process != os.getpid():
            raise RuntimeError(
                f"this executor belongs to the process {self.process}, from which this one was forked; "
                "make a CondorExecutor of its own here"
            )

    def add(self, bundles: list[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted, unless it was shut down in the meantime."""
        with self.lock:
            # Under the lock of shutdown(): what is added before it is certain to be seen by the watcher.
            self.check_open()
            self.watcher.add(bundles, complete=complete)

    def key_of(self, future: Future[Any]) -> str:
        """The key by which calls refer to the value of *future*: a call's own, or one that is made up for a
        stranger.
        """
        if isinstance(future, CondorFuture) and self._is_ours(future):
            return future.key
        return f"x{id(future):x}"  # unique for as long as the call that refers to it waits for it

    def _is_ours(self, future: CondorFuture[Any]) -> bool:
        bundle = cast("Bundle | None", future.bundle)
        if bundle is not None:
            return bundle.directory.is_relative_to(self.session.directory)
        return future.is_cancelled_by(self.watcher.cancel)  # a call that could not be submitted has no bundle


#: Seconds for credentials to be stored: the site's program makes them, the credd waits for the credmon, 20 s each; a
#: SEC_CREDENTIAL_STORER may wait for the user to log in somewhere.
_CREDENTIALS_TIMEOUT = 120.0


def start(
    session: str | Path | None,
    access_point: str | tuple[str, str] | None,
    max_workers: int | None,
    credentials: Mapping[str, Any] | None = None,
) -> Engine:
    """Connect to the access point, which may mean to start a pool, and begin a session on it.

    Args:
        session: as in the executor's constructor.
        access_point: as in the executor's constructor.
        max_workers: how many jobs may be in the queue at once.
        credentials: what has to be stored there first, as :func:`credentials.to_store` says.

    Raises:
        ValueError: for a directory of the session that HTCondor cannot take.
        CondorFuturesError: as the executor's constructor.

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
    """A session that this process has, and the access point that its jobs go to.

    Attributes:
        session: the session.
        access_point: connected, by a helper process.
        place: how the jobs are submitted there.
        max_workers: how many jobs may be in the queue at once.
        renewal: the jobs' credentials, and the seconds until they have to be stored again; None if there are none.

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
    """Connect to the access point of *session*, a new one or one that was left, and keep what the next client needs.

    Args:
        session: this process has it.
        place: where its jobs are, or are to be.
        settings: kept in the session, for a client that attaches.
        credentials: what has to be stored first; None for nothing.
        undo: what takes back what was done so far, if a later step fails.

    """
    helper = AccessPoint(place.location, lock=session.lock.path)
    undo.callback(helper.close)
    helper.connect()
    renewal = None if credentials is None else (credentials, _store(helper, credentials))
    session.keep(**settings, schedd=helper.location.schedd)
    session.write_runner()
    return Connection(session, helper, place, settings["max_workers"], renewal)


def make_engine(connection: Connection, event_log: EventLog) -> Engine:
    """An engine whose watcher has not started; it reads *event_log* from where that was read to."""
    categories = Categories()
    watcher = Watcher(
        connection.session,
        connection.access_point,
        event_log,
        max_jobs=connection.max_workers,
        categories=categories,
        transfer=connection.place.transfer,
        afterwards=connection.place.leave,
        renewal=connection.renewal,
    )
    return Engine(connection.session, watcher, connection.max_workers, categories)


def start_watcher(engine: Engine, undo: contextlib.ExitStack) -> None:
    """Start the watcher, which sees from now on to what *undo* would have taken back."""
    at_exit.wait_for(engine.watcher)
    undo.callback(at_exit.forget, engine.watcher)
    engine.watcher.start()
    undo.pop_all()


def _store(helper: AccessPoint, credentials: Mapping[str, Any]) -> float:
    """Have the jobs' credentials stored; gives the seconds until they have to be stored again.

    Raises:
        CredentialError: if that is not possible.

    """
    stored = Schedd(helper).store_credentials(**credentials).wait(_CREDENTIALS_TIMEOUT)
    if stored["url"]:
        raise CredentialError(
            f"the access point needs your consent for a token: visit {stored['url']} and make the executor again",
            stored["url"],
        )
    return renew_after(stored["ticket"], time.time())
