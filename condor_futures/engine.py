"""What an executor shares with those derived from it: the session, the watcher, and how both begin and end."""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import logging
import os
import sys
import time
import weakref
from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from condor_futures import job_queue, states
from condor_futures.access_point import AccessPoint, Location
from condor_futures.access_point_helper import NEVER_RAN
from condor_futures.bundle import Bundle, Options
from condor_futures.credentials import renew_after
from condor_futures.errors import AccessPointError, BrokenCondorExecutor, CondorFuturesError, CredentialError
from condor_futures.future import CondorFuture
from condor_futures.recovery import (
    BY_US,
    PROJECTION,
    Found,
    History,
    LoggedJob,
    fate,
    find_bundles,
    judge,
    unused_numbers,
)
from condor_futures.session import Session, session_path, sessions_directory
from condor_futures.states import SPOOLING_INPUT, Job, State
from condor_futures.submit_description import canonical_name
from condor_futures.submit_values import check_session_directory
from condor_futures.watcher import Watcher

__all__ = ["DEFAULT_MAX_WORKERS", "Categories", "Engine", "Left", "Place", "start"]

logger = logging.getLogger(__name__)


class Categories(UserDict[str, int]):
    """The largest number of jobs of each category that may be in the queue at once; a dict that checks what it gets.

    >>> categories = Categories(merge=2)
    >>> categories |= {"merge": 0}
    Traceback (most recent call last):
    ValueError: at most how many jobs of the category 'merge' may be in the queue? At least 1, not 0

    """

    #: Why limits cannot be changed any more.
    sealed = ""

    def __setitem__(self, category: object, limit: object) -> None:
        """Set the limit of a category.

        Raises:
            TypeError: if *category* is no str, or *limit* no int.
            ValueError: if *limit* is below 1.
            RuntimeError: if limits cannot be changed any more, as those of a DAG that has been run.

        """
        self._check_open()
        if not isinstance(category, str):
            raise TypeError(f"a category is a str, not {type(category).__name__}")
        if not isinstance(limit, int) or isinstance(limit, bool):
            raise TypeError(f"the limit of the category {category!r} is an int, not {type(limit).__name__}")
        if limit < 1:
            raise ValueError(
                f"at most how many jobs of the category {category!r} may be in the queue? At least 1, not {limit}"
            )
        super().__setitem__(category, limit)

    def __delitem__(self, category: str) -> None:
        """Have no limit any more."""
        self._check_open()
        super().__delitem__(category)

    def copy(self) -> Categories:
        """Others with the same limits."""
        # UserDict's own copy() would take them out of these for a moment, in which the watcher may look.
        return Categories(self.data)

    def _check_open(self) -> None:
        if self.sealed:
            raise RuntimeError(self.sealed)

    def __ior__(self, others: Any) -> Categories:  # type: ignore[misc,override]  # noqa: PYI034
        """Set several limits."""
        self.update(others)  # which checks them, as UserDict's own does not
        return self


DEFAULT_MAX_WORKERS = 1000
"""How many jobs an executor has in the queue at once unless it is told otherwise: more overwhelm access points."""


@dataclass(frozen=True)
class Left:
    """A session whose client has left, or was killed: by its directory or id.

    *on_hold* and *memory_max*, if they are given, count for the calls that are under way too. *credentials* are what it
    had stored for its jobs (see :func:`credentials.to_store`), where that is to be done again.
    """

    name: str | Path
    on_hold: object = None
    memory_max: object = None
    credentials: Mapping[str, Any] | None = None

    @classmethod
    def by(cls, name: str | Path, options: Mapping[str, Any]) -> tuple[Left, dict[str, Any]]:
        """The session *name*, to be taken up with an executor's *options*; and these, with what the session has."""
        credentials = None
        if options.get("credentials") is None:
            # (What is wrong with the session is told later, after what is wrong with the options.)
            with contextlib.suppress(CondorFuturesError, TypeError):
                credentials = Session.find(name).settings.get("credentials")
        left = cls(name, options.get("on_hold"), options.get("memory_max"), credentials)
        if credentials is None:
            return left, dict(options)
        # By these submit commands jobs ask for them.
        commands = {"MY.SendCredential": "true"} if credentials["kerberos"] else {}
        commands.update(credentials["services"])
        for option in options:
            with contextlib.suppress(TypeError):  # one that is no submit command
                commands.pop(canonical_name(option), None)
        return left, {**commands, **options}


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
        #: Of a session that was taken up, the futures of all its calls, by key.
        self.futures: dict[str, CondorFuture[Any]] = {}
        self.process = os.getpid()

    def check_open(self) -> None:
        """Raise what the standard library's executors raise when they take no more calls."""
        if self.watcher.broken is not None:
            raise BrokenCondorExecutor(f"the executor is broken: {self.watcher.broken}")
        if self.shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if _exiting:
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
        bundle = getattr(future, "_bundle", None)
        if bundle is not None and bundle.directory.is_relative_to(self.session.directory):
            return str(future.key)  # type: ignore[attr-defined]
        return f"x{id(future):x}"  # unique for as long as the call that refers to it waits for it


_watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()


# In a forked child the watchers' threads do not run: there is nothing to wait for, and nothing of the child's to
# remove.
os.register_at_fork(after_in_child=_watchers.clear)

_exiting = False


def _at_exit() -> None:
    """Let a script that ends without shutdown() have its results; take back what an interrupted one submitted."""
    global _exiting  # noqa: PLW0603 - there is one interpreter, and it ends once
    _exiting = True
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    watchers = list(_watchers)
    for watcher in watchers:
        if interrupted:
            watcher.remove_all("the client was interrupted")
        watcher.close()
    for watcher in watchers:
        watcher.join()


@dataclass(frozen=True)
class Place:
    """Where jobs are submitted.

    Attributes:
        location: of the schedd.
        transfer: the default of ``should_transfer_files``.
        owner: the uid that root's jobs run as, where that is not root.
        leave: called when nothing more is submitted there.

    """

    location: Location
    transfer: Literal["YES", "IF_NEEDED"] = "YES"
    owner: int | None = None
    leave: Callable[[], None] = lambda: None

    @classmethod
    def find(cls, access_point: str | tuple[str, str] | None, schedd: Sequence[str] | None = None) -> Place:
        """Understand an executor's *access_point*, which may mean to start a pool.

        Args:
            access_point: as in the executor's constructor.
            schedd: pool and name of the one that was local when jobs were submitted to it; which one is, depends on the
                environment.

        """
        if access_point == "personal":
            from condor_futures.personal import PersonalPool

            pool = PersonalPool().start()
            # Access point and execution point are one machine, where a job can run in its spool directory itself.
            return cls(Location(environment=pool.environment()), "IF_NEEDED", pool.job_owner, pool.close)
        if access_point is None and schedd is not None:
            collector, name = schedd
            return cls(Location(collector, name, local=True))
        return cls(Location.parse(access_point))

    @classmethod
    def of(cls, session: Session) -> Place:
        """Where the jobs of a session are that was left."""
        return cls.find(session.access_point, session.settings.get("schedd"))


#: Seconds for the helper process of a client that was killed to carry out what it was asked last, and for a query.
_LAST_REQUESTS = 60.0
#: Seconds for credentials to be stored: the site's program makes them, the credd waits for the credmon, 20 s each; a
#: SEC_CREDENTIAL_STORER may wait for the user to log in somewhere.
_CREDENTIALS_TIMEOUT = 120.0


def start(
    access_point: str | tuple[str, str] | None,
    session: str | Path | Left | None,
    max_workers: int | None,
    credentials: Mapping[str, Any] | None = None,
) -> Engine:
    """Connect to the access point, which may mean to start a pool, and begin a session on it, or take up one.

    Args:
        access_point: as in the executor's constructor.
        session: as in the executor's constructor; or one that was left.
        max_workers: how many jobs may be in the queue at once.
        credentials: what has to be stored there first, as :func:`credentials.to_store` says.

    Raises:
        ValueError: for a directory of the session that HTCondor cannot take.
        CondorFuturesError: as the executor's constructor.

    """
    directory = None if isinstance(session, Left) else session_path(session)
    check_session_directory(directory or sessions_directory())
    left = None
    if isinstance(session, Left):
        left, credentials = _find(session), credentials or session.credentials
    with contextlib.ExitStack() as undo:
        if left is not None:
            left.take_up(_LAST_REQUESTS)
            undo.callback(left.leave)
            max_workers = max_workers or left.settings["max_workers"]
        max_workers = max_workers or DEFAULT_MAX_WORKERS
        place = Place.of(left) if left is not None and access_point is None else Place.find(access_point)
        undo.callback(place.leave)
        given = access_point if access_point is not None or left is None else left.access_point
        # Who attaches without credentials takes none from whoever attaches after that.
        kept = credentials or (left.settings.get("credentials") if left is not None else None)
        settings = {"access_point": given, "max_workers": max_workers, "credentials": kept}
        if left is None:
            opened = Session.create(directory, owner=place.owner, settings=settings)
            undo.callback(opened.remove)
        else:
            opened = left
        helper = AccessPoint(place.location, lock=opened.lock.path)
        undo.callback(helper.close)
        helper.connect()
        renewal = None if credentials is None else (credentials, _store(helper, credentials))
        opened.keep(**settings, schedd=helper.location.schedd)
        opened.write_runner()
        categories = Categories()
        watcher = Watcher(
            opened,
            helper,
            max_jobs=max_workers,
            categories=categories,
            transfer=place.transfer,
            afterwards=place.leave,
            renewal=renewal,
        )
        engine = Engine(opened, watcher, max_workers, categories)
        if isinstance(session, Left):
            _resume(engine, helper, session)
        # Registered anew, because atexit runs last registered first, and the personal pool, which registers when it
        # starts, must outlive the jobs.
        atexit.unregister(_at_exit)
        atexit.register(_at_exit)
        _watchers.add(watcher)
        undo.callback(_watchers.discard, watcher)
        watcher.start()
        undo.pop_all()  # from here on all of it is the watcher's
    return engine


def _find(left: Left) -> Session:
    session = Session.find(left.name)
    check_session_directory(session.directory)  # it may have been moved
    if session.of_dag:
        raise CondorFuturesError(
            f"{session.directory} belongs to a DAG, whose jobs DAGMan submits: DagExecutor.attach() comes back to it"
        )
    return session


def _resume(engine: Engine, helper: AccessPoint, left: Left) -> None:
    """Find out what became of the calls of a session that was left, and go on with them."""
    session = engine.session
    found = find_bundles(session)
    query = functools.partial(
        helper.ask,
        "query",
        _LAST_REQUESTS,
        constraint=session.constraint,
        projection=PROJECTION,
    )
    remove = functools.partial(helper.ask, "act", _LAST_REQUESTS, action="remove", reason=NEVER_RAN)
    queue = query()
    history = History(engine.watcher.read_past())  # after the queue: it has all of what left the queue before
    logged: Mapping[str, Sequence[LoggedJob]] = history.of_bundle
    recovery = judge(found, queue, logged)
    if recovery.pending and not history.bundles:  # the access point does not write the log, or it was lost
        logged = _jobs_of_history(helper, session)
        recovery = judge(found, queue, logged)
    if recovery.half:
        # Removed only if they still wait: after the files have come it takes the schedd a second to say so (25.14).
        these = " || ".join("(ClusterId == {} && ProcId == {})".format(*job.split(".")) for job in recovery.half)
        remove(jobs=f"JobStatus == 5 && HoldReasonCode == {SPOOLING_INPUT} && ({these})")
        recovery = judge(found, query(), logged, removed=recovery.half)
    remove(jobs=recovery.stray + recovery.half)
    keys = sorted((call for bundle in found for call in bundle.calls), key=lambda key: int(key[1:]))
    engine.futures = {key: CondorFuture[Any](key, engine.watcher.cancel) for key in keys}
    unused = unused_numbers(found, history, queue)
    engine.calls = itertools.count(unused.calls)
    engine.bundles = itertools.count(unused.bundles)
    engine.clusters = itertools.count(unused.clusters)
    bundle_of = functools.partial(_bundle, engine.futures, left)
    ended: dict[Bundle, states.Event] = {}
    for one, job_id in recovery.ended:
        bundle = bundle_of(one)
        bundle.job = replace(bundle.job, state=State.ENDED, job_id=job_id)
        ended[bundle] = states.Retrieved(job_id or "")
    told = _told_by_history(helper, session, recovery.gone)
    for one, job in recovery.gone:
        bundle = bundle_of(one)
        retrieved = bundle.path("stdout").exists()
        bundle.job, cause = fate(bundle.job, job.events, told[one.key], retrieved=retrieved)
        if cause is None:
            recovery.pending.append(one)
        else:
            ended[bundle] = cause
    engine.watcher.resume(
        ended,
        {
            bundle_of(bundle): (job_id, history.events(job_id, bundle.key))
            for job_id, bundle in recovery.under_way.items()
        },
        [bundle_of(bundle, waits=True) for bundle in sorted(recovery.pending, key=lambda bundle: bundle.number)],
    )


def _jobs_of_history(helper: AccessPoint, session: Session) -> Mapping[str, Sequence[LoggedJob]]:
    """By bundle, the jobs that have left the queue, as the access point's history has them.

    Without those that we removed: they did not count, or their calls were cancelled, and their bundle's key may be that
    of another one since.
    """
    by_us = f'regexp("^{BY_US}", RemoveReason ?: "")'
    try:
        ads = helper.ask("past", _LAST_REQUESTS, constraint=f"{session.constraint} && !{by_us}", projection=PROJECTION)
    except AccessPointError as error:
        logger.warning("the access point's history cannot be asked which calls were made: %s", error)
        return {}
    jobs: dict[str, list[LoggedJob]] = {}
    for ad in reversed(ads):  # the newest come first
        job_id, key = f"{ad['ClusterId']}.{ad['ProcId']}", str(ad.get("CondorFuturesBundle", ""))
        jobs.setdefault(key, []).append(LoggedJob(job_id, key, [states.Submitted(job_id, key)]))
    return jobs


def _told_by_history(
    helper: AccessPoint, session: Session, gone: Sequence[tuple[Found, LoggedJob]]
) -> dict[str, tuple[states.Event, ...]]:
    """By bundle, what the access point's history says of jobs that have left the queue."""
    ads: list[dict[str, Any]] = []
    if gone:
        try:
            ads = helper.ask(
                "look",
                _LAST_REQUESTS,
                constraint=session.constraint,
                projection=[*job_queue.PROJECTION, "CondorFuturesBundle"],
                jobs=[job.job_id for _, job in gone],
            )["ads"]
        except AccessPointError as error:
            logger.warning("the access point's history cannot be asked: %s", error)
    told = {}
    for bundle, job in gone:
        # Its id may be that of another job of the session by now.
        own = [ad for ad in ads if ad.get("CondorFuturesBundle") == bundle.key]
        as_last_known = Job(bundle.key, spooled=True, state=State.RUNNING, job_id=job.job_id)
        told[bundle.key] = job_queue.queue_events({job.job_id: as_last_known}, own)[job.job_id]
    return told


def _bundle(futures: Mapping[str, CondorFuture[Any]], left: Left, found: Found, *, waits: bool = False) -> Bundle:
    """A bundle of a session that was left, for the watcher."""

    def future(key: str) -> Future[Any]:
        if key in futures:
            return futures[key]
        lost: Future[Any] = Future()
        lost.set_exception(CondorFuturesError("the value of another executor's future ended with the client"))
        return lost

    options = found.options or Options({}, spool=True)
    options = replace(options, on_hold=options.on_hold.changed(left.on_hold, left.memory_max))
    return Bundle(
        found.key,
        found.directory,
        options,
        {call: futures[call] for call in found.calls},
        Job(found.key, options.spool, policy=options.on_hold.policy),
        {call: {key: future(key) for key in keys} for call, keys in found.calls.items() if keys} if waits else {},
        [future(key) for key in found.after] if waits else (),
    )


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
