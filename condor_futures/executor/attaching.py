"""A session whose client has left, or was killed, is taken up: what became of its calls, and how they go on."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from condor_futures.access_point.choosing import Place
from condor_futures.access_point.helper.words import NEVER_RAN, either
from condor_futures.access_point.requests import AccessPoint
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import CondorFuturesError
from condor_futures.executor.engine import Engine, begin
from condor_futures.future import CondorFuture
from condor_futures.options.credentials import commands_of
from condor_futures.options.options import Options
from condor_futures.recovery.evidence import (
    PROJECTION,
    Found,
    LoggedJob,
    LoggedJobs,
    find_bundles,
    unused_numbers,
)
from condor_futures.recovery.history import LAST_REQUESTS, jobs_of_history, told_by_history
from condor_futures.recovery.verdicts import fate, judge
from condor_futures.session.finding import check_session_directory
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import SPOOLING_INPUT, Job, JobStatus, State
from condor_futures.submit.description import canonical_name

__all__ = ["Left", "take_up"]

logger = logging.getLogger(__name__)


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
        commands = commands_of(credentials)
        for option in options:
            with contextlib.suppress(TypeError):  # one that is no submit command
                commands.pop(canonical_name(option), None)
        return left, {**commands, **options}


def take_up(
    left: Left,
    access_point: str | tuple[str, str] | None,
    max_workers: int | None,
    credentials: Mapping[str, Any] | None = None,
) -> Engine:
    """Go on with a session that was left.

    Args:
        left: which one.
        access_point: where its jobs are; None for where they were submitted.
        max_workers: how many jobs may be in the queue at once; None for as many as before.
        credentials: what has to be stored first; None for what was stored before.

    Raises:
        ValueError: for a directory of the session that HTCondor cannot take.
        CondorFuturesError: as :meth:`CondorExecutor.attach`.

    """
    session = _find(left)
    with contextlib.ExitStack() as undo:
        session.take_up(LAST_REQUESTS)
        undo.callback(session.leave)
        place = Place.of(session) if access_point is None else Place.find(access_point)
        undo.callback(place.leave)
        credentials = credentials or left.credentials
        settings = {
            "access_point": session.record.access_point if access_point is None else access_point,
            "max_workers": max_workers or session.settings["max_workers"],
            # Who attaches without credentials takes none from whoever attaches after that.
            "credentials": credentials or session.settings.get("credentials"),
        }
        return begin(session, place, settings, credentials, undo, functools.partial(_resume, left))


def _find(left: Left) -> Session:
    session = Session.find(left.name)
    check_session_directory(session.directory)  # it may have been moved
    if session.record.of_dag:
        raise CondorFuturesError(
            f"{session.directory} belongs to a DAG, whose jobs DAGMan submits: DagExecutor.attach() comes back to it"
        )
    return session


def _resume(left: Left, engine: Engine, helper: AccessPoint) -> None:
    """Find out what became of the calls of a session that was left, and go on with them."""
    session = engine.session
    everything = find_bundles(session)
    found = [bundle for bundle in everything if bundle.counts]
    query = functools.partial(
        helper.ask,
        "query",
        LAST_REQUESTS,
        constraint=session.constraint,
        projection=PROJECTION,
    )
    remove = functools.partial(helper.ask, "act", LAST_REQUESTS, action="remove", reason=NEVER_RAN)
    queue = query()
    log = LoggedJobs(engine.watcher.read_past())  # after the queue: it has all of what left the queue before
    logged: Mapping[str, Sequence[LoggedJob]] = log.of_bundle
    recovery = judge(found, queue, logged)
    if recovery.pending and not log.bundles:  # the access point does not write the log, or it was lost
        logged = jobs_of_history(helper, session)
        recovery = judge(found, queue, logged)
    if recovery.half:
        # Removed only if they still wait: after the files have come it takes the schedd a second to say so (25.14).
        waiting = f"JobStatus == {JobStatus.HELD:d} && HoldReasonCode == {SPOOLING_INPUT}"
        remove(jobs=f"{waiting} && ({either(recovery.half)})")
        recovery = judge(found, query(), logged, removed=recovery.half)
    remove(jobs=recovery.stray + recovery.half)
    keys = sorted((call for bundle in found for call in bundle.calls), key=lambda key: int(key[1:]))
    engine.futures = {key: CondorFuture[Any](key, engine.watcher.cancel) for key in keys}
    unused = unused_numbers(everything, log, queue)
    engine.calls = itertools.count(unused.calls)
    engine.bundles = itertools.count(unused.bundles)
    engine.clusters = itertools.count(unused.clusters)
    cancelled = {call for bundle in everything if not bundle.counts for call in bundle.calls}
    bundle_of = functools.partial(_bundle, left, functools.partial(_future, engine.futures, cancelled))
    ended: dict[Bundle, states.Event] = {}
    for one, job_id in recovery.ended:
        bundle = bundle_of(one)
        bundle.job = replace(bundle.job, state=State.ENDED, job_id=job_id)
        ended[bundle] = states.Retrieved(job_id or "")
    told = told_by_history(helper, session, recovery.gone)
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
        {bundle_of(bundle): (job_id, log.events(job_id, bundle.key)) for job_id, bundle in recovery.under_way.items()},
        [bundle_of(bundle, waits=True) for bundle in sorted(recovery.pending, key=lambda bundle: bundle.number)],
    )


def _future(futures: Mapping[str, CondorFuture[Any]], cancelled: Collection[str], key: str) -> Future[Any]:
    """What a call waits for, by its key: one of the session's *futures*, or one that nothing comes of any more."""
    if key in futures:
        return futures[key]
    lost: Future[Any] = Future()
    if key in cancelled:
        lost.cancel()
    elif key.startswith("c"):  # there is no file with it
        lost.set_exception(CondorFuturesError(f"the call {key} could not be submitted"))
    else:
        lost.set_exception(CondorFuturesError("the value of another executor's future ended with the client"))
    return lost


def _bundle(left: Left, future: Callable[[str], Future[Any]], found: Found, *, waits: bool = False) -> Bundle:
    """A bundle of a session that was left, for the watcher."""
    options = found.options or Options({}, spool=True)
    options = replace(options, on_hold=options.on_hold.changed(left.on_hold, left.memory_max))
    return Bundle(
        found.key,
        found.directory,
        options,
        {call: cast("CondorFuture[Any]", future(call)) for call in found.calls},
        Job(found.key, options.spool, policy=options.on_hold.policy),
        {call: {key: future(key) for key in keys} for call, keys in found.calls.items() if keys} if waits else {},
        [future(key) for key in found.after] if waits else (),
    )
