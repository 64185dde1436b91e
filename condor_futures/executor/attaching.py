"""Attaches to a session whose client detached or was killed, in the four steps of :func:`attach`."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from condor_futures.access_point.choosing import Place
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.lines import Attempt
from condor_futures.calls.usages import Usages
from condor_futures.errors import CondorFuturesError
from condor_futures.executor.engine import Connection, Engine, connect, make_engine, start_watcher
from condor_futures.executor.session_futures import SessionFutures
from condor_futures.future import CondorFuture
from condor_futures.options.credentials import commands_of
from condor_futures.options.options import Options
from condor_futures.recovery.collecting import collect
from condor_futures.recovery.evidence import Evidence, Found
from condor_futures.recovery.history import LAST_REQUESTS
from condor_futures.recovery.verdicts import Verdicts, settle
from condor_futures.session.call_names import read_names
from condor_futures.session.event_log import EventLog
from condor_futures.session.finding import check_session_directory
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import Job
from condor_futures.submit.command_names import canonical_name

__all__ = ["Left", "attach"]


@dataclass(frozen=True)
class Left:
    """A session whose client detached or was killed.

    Attributes:
        name: its directory or its id.
        on_hold: as in the executor's constructor, also for calls that are under way; None keeps their setting.
        memory_max: as in the executor's constructor, also for calls that are under way; None keeps their setting.
        credentials: the credentials that the session stored for its jobs, if they have to be stored again (see
            :func:`credentials.to_store`).

    """

    name: str | Path
    on_hold: object = None
    memory_max: object = None
    credentials: Mapping[str, Any] | None = None

    @classmethod
    def by(cls, name: str | Path, options: Mapping[str, Any]) -> tuple[Left, dict[str, Any]]:
        """Return the session *name*, and an executor's *options* together with the session's credentials."""
        credentials = None
        if options.get("credentials") is None:
            # Errors in the session are reported later, after errors in the options.
            with contextlib.suppress(CondorFuturesError, TypeError):
                credentials = Session.find(name).settings.get("credentials")
        left = cls(name, options.get("on_hold"), options.get("memory_max"), credentials)
        if credentials is None:
            return left, dict(options)
        commands = commands_of(credentials)
        for option in options:
            with contextlib.suppress(TypeError):  # the option is not a submit command
                commands.pop(canonical_name(option), None)
        return left, {**commands, **options}


def attach(
    left: Left,
    access_point: str | tuple[str, str] | None,
    max_workers: int | None,
    credentials: Mapping[str, Any] | None = None,
) -> Engine:
    """Attach to a session: open it, collect the evidence, judge the evidence, and start the watcher.

    Args:
        left: the session.
        access_point: the access point of its jobs; None for the access point that they were submitted to.
        max_workers: the maximum number of jobs in the queue; None for the session's former maximum.
        credentials: credentials to store first; None for those that were stored before.

    Raises:
        ValueError: HTCondor does not support the name of the session's directory.
        CondorFuturesError: as in :meth:`CondorExecutor.attach`.

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
    """Lock the session for this process, and connect to its access point."""
    session = Session.find(left.name)
    check_session_directory(session.directory)  # it may have been moved
    if session.record.of_dag:
        raise CondorFuturesError(
            f"{session.directory} belongs to a DAG, whose jobs DAGMan submits; use DagExecutor.attach() to resume it"
        )
    session.take_up(LAST_REQUESTS)
    undo.callback(session.leave)
    place = Place.of(session) if access_point is None else Place.find(access_point)
    undo.callback(place.leave)
    credentials = credentials or left.credentials
    settings = {
        "access_point": session.record.access_point if access_point is None else access_point,
        "max_workers": max_workers or session.settings["max_workers"],
        # Attaching without credentials keeps the session's credentials for clients that attach later.
        "credentials": credentials or session.settings.get("credentials"),
    }
    return connect(session, place, settings, credentials, undo)


def _resume(engine: Engine, left: Left, evidence: Evidence, verdicts: Verdicts) -> None:
    """Create the futures and bundles of all calls in the session, and hand them to the watcher."""
    keys = sorted((call for found in evidence.found for call in found.calls), key=lambda key: int(key[1:]))
    futures: dict[str, CondorFuture[Any]] = {key: CondorFuture(key, engine.cancel) for key in keys}
    for key, name in read_names(engine.session.directory).items():
        if key in futures:
            futures[key].name = name
    engine.futures = SessionFutures(futures.values())
    engine.count_from(evidence.unused)
    cancelled = {call for found in evidence.bundles for call in (*found.gone, *(() if found.counts else found.calls))}
    bundle_of = functools.partial(_bundle, left, engine.usages, functools.partial(_future, futures, cancelled))
    ended: dict[Bundle, states.Event] = {}
    for one in verdicts.ended:
        bundle = bundle_of(one.found)
        bundle.job = one.job
        ended[bundle] = one.cause
    under_way: dict[Bundle, tuple[str, Sequence[states.Event]]] = {}
    lines: dict[Bundle, Attempt | None] = {}
    for job_id, (found, events) in verdicts.under_way.items():
        bundle = bundle_of(found)
        under_way[bundle] = job_id, events
        if found.line is not None:
            lines[bundle] = found.line.last
    engine.watcher.resume(ended, under_way, [bundle_of(found, waits=True) for found in verdicts.pending], lines)


def _future(futures: Mapping[str, CondorFuture[Any]], cancelled: Collection[str], key: str) -> Future[Any]:
    """Return the future with the key *key*, which a call waits for.

    It is one of the session's *futures*, or a new one that is cancelled or has failed.
    """
    if key in futures:
        return futures[key]
    lost: Future[Any] = Future()
    if key in cancelled:
        lost.cancel()
    elif key.startswith("c"):  # the session has no file with this call
        lost.set_exception(CondorFuturesError(f"the call {key} could not be submitted"))
    else:
        lost.set_exception(CondorFuturesError("the value of another executor's future was lost with the client"))
    return lost


def _bundle(
    left: Left, usages: Usages, future: Callable[[str], Future[Any]], found: Found, *, waits: bool = False
) -> Bundle:
    """Create a bundle of the session for the watcher. *waits* says that its calls may still wait for futures."""
    options = found.options or Options({}, spool=True)
    options = replace(options, on_hold=options.on_hold.changed(left.on_hold, left.memory_max))
    return Bundle(
        found.key,
        found.directory,
        options,
        {call: cast("CondorFuture[Any]", future(call)) for call in found.calls},
        Job(found.key, options.spool, policy=options.hold_policy),
        {call: {key: future(key) for key in keys} for call, keys in found.calls.items() if keys} if waits else {},
        [future(key) for key in found.after] if waits else (),
        places=dict(found.places),
        shared=found.shared,
        line=found.line.directory if found.line is not None else None,
        stream=found.stream,
        usages=usages,
    )
