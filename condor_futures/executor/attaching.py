"""Attaching to a session whose client left, or was killed: four steps, in :func:`attach`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from condor_futures.access_point.choosing import Place
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import CondorFuturesError
from condor_futures.executor.engine import Connection, Engine, connect, make_engine, start_watcher
from condor_futures.future import CondorFuture
from condor_futures.options.credentials import commands_of
from condor_futures.options.options import Options
from condor_futures.recovery.collecting import collect
from condor_futures.recovery.evidence import Evidence, Found
from condor_futures.recovery.history import LAST_REQUESTS
from condor_futures.recovery.verdicts import Verdicts, settle
from condor_futures.session.event_log import EventLog
from condor_futures.session.finding import check_session_directory
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import Job
from condor_futures.submit.description import canonical_name

__all__ = ["Left", "attach"]


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


def attach(
    left: Left,
    access_point: str | tuple[str, str] | None,
    max_workers: int | None,
    credentials: Mapping[str, Any] | None = None,
) -> Engine:
    """Attach to a session whose client left: open it, collect the evidence, judge it, and start the watcher.

    Args:
        left: the session.
        access_point: where its jobs are; None for where they were submitted.
        max_workers: how many jobs may be in the queue at once; None for as many as before.
        credentials: what has to be stored first; None for what was stored before.

    Raises:
        ValueError: for a directory of the session that HTCondor cannot take.
        CondorFuturesError: as :meth:`CondorExecutor.attach`.

    """
    with contextlib.ExitStack() as undo:
        connection = _open(left, access_point, max_workers, credentials, undo)
        session = connection.session
        event_log = EventLog(session.event_log)
        undo.callback(event_log.close)
        evidence = collect(session, connection.access_point, event_log)
        verdicts = settle(evidence)
        engine = make_engine(connection, event_log)
        _resume(engine, left, evidence, verdicts)
        start_watcher(engine, undo)
        return engine


def _open(
    left: Left,
    access_point: str | tuple[str, str] | None,
    max_workers: int | None,
    credentials: Mapping[str, Any] | None,
    undo: contextlib.ExitStack,
) -> Connection:
    """Make the session this process's own, and connect to its access point."""
    session = Session.find(left.name)
    check_session_directory(session.directory)  # it may have been moved
    if session.record.of_dag:
        raise CondorFuturesError(
            f"{session.directory} belongs to a DAG, whose jobs DAGMan submits: DagExecutor.attach() comes back to it"
        )
    session.take_up(LAST_REQUESTS)
    undo.callback(session.leave)
    place = Place.of(session) if access_point is None else Place.find(access_point)
    undo.callback(place.leave)
    credentials = credentials or left.credentials
    settings = {
        "access_point": session.record.access_point if access_point is None else access_point,
        "max_workers": max_workers or session.settings["max_workers"],
        # A client that attaches without credentials takes none from a client that attaches later.
        "credentials": credentials or session.settings.get("credentials"),
    }
    return connect(session, place, settings, credentials, undo)


def _resume(engine: Engine, left: Left, evidence: Evidence, verdicts: Verdicts) -> None:
    """Make futures and bundles of everything that the session has, and hand them to the watcher."""
    keys = sorted((call for found in evidence.found for call in found.calls), key=lambda key: int(key[1:]))
    engine.futures = {key: CondorFuture[Any](key, engine.watcher.cancel) for key in keys}
    engine.count_from(evidence.unused)
    cancelled = {call for found in evidence.bundles if not found.counts for call in found.calls}
    bundle_of = functools.partial(_bundle, left, functools.partial(_future, engine.futures, cancelled))
    ended: dict[Bundle, states.Event] = {}
    for one in verdicts.ended:
        bundle = bundle_of(one.found)
        bundle.job = one.job
        ended[bundle] = one.cause
    engine.watcher.resume(
        ended,
        {bundle_of(found): (job_id, events) for job_id, (found, events) in verdicts.under_way.items()},
        [bundle_of(found, waits=True) for found in verdicts.pending],
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
