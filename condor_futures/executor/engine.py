"""What an executor shares with those derived from it: the session, the watcher, and how both begin and end."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

from condor_futures.access_point.choosing import Place
from condor_futures.access_point.requests import AccessPoint
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CredentialError
from condor_futures.executor import at_exit
from condor_futures.future import CondorFuture
from condor_futures.options.categories import Categories
from condor_futures.options.credentials import renew_after
from condor_futures.session.finding import check_session_directory, session_path, sessions_directory
from condor_futures.session.session import Session
from condor_futures.watching.watcher import Watcher

__all__ = [
    "DEFAULT_MAX_WORKERS",
    "Engine",
    "begin",
    "start",
]

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

    def workers(self) -> int:
        """How many jobs may run at once, as far as is known: in a small pool fewer than may be in the queue."""
        if self._cores is None:
            try:
                self._cores = int(self.watcher.ask("cores", _CORES_TIMEOUT))
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
        return begin(made, place, settings, credentials, undo)


def begin(
    session: Session,
    place: Place,
    settings: Mapping[str, Any],
    credentials: Mapping[str, Any] | None,
    undo: contextlib.ExitStack,
    resume: Callable[[Engine, AccessPoint], None] = lambda *_: None,
) -> Engine:
    """Go to work on *session*, a new one or one that was left.

    Args:
        session: this process has it.
        place: where its jobs are, or are to be.
        settings: kept in it, for whoever takes it up.
        credentials: what has to be stored first; None for nothing.
        undo: what takes back what was done so far, if this fails; afterwards it is the watcher's, at the end.
        resume: finds out about the calls that it has, before there are others.

    """
    helper = AccessPoint(place.location, lock=session.lock.path)
    undo.callback(helper.close)
    helper.connect()
    renewal = None if credentials is None else (credentials, _store(helper, credentials))
    session.keep(**settings, schedd=helper.location.schedd)
    session.write_runner()
    categories, max_workers = Categories(), settings["max_workers"]
    watcher = Watcher(
        session,
        helper,
        max_jobs=max_workers,
        categories=categories,
        transfer=place.transfer,
        afterwards=place.leave,
        renewal=renewal,
    )
    engine = Engine(session, watcher, max_workers, categories)
    resume(engine, helper)
    at_exit.wait_for(watcher)
    undo.callback(at_exit.forget, watcher)
    watcher.start()
    undo.pop_all()
    return engine


def _store(helper: AccessPoint, credentials: Mapping[str, Any]) -> float:
    """Have the jobs' credentials stored; gives the seconds until they have to be stored again.

    Raises:
        CredentialError: if that is not possible.

    """
    stored = helper.ask("store_credentials", _CREDENTIALS_TIMEOUT, **credentials)
    if stored["url"]:
        raise CredentialError(
            f"the access point needs your consent for a token: visit {stored['url']} and make the executor again",
            stored["url"],
        )
    return renew_after(stored["ticket"], time.time())
