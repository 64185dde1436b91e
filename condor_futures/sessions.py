"""The sessions there are on this machine, and how to be rid of one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from condor_futures.access_point.choosing import Place
from condor_futures.access_point.emptying import wait_until_gone
from condor_futures.access_point.requests import AccessPoint
from condor_futures.dag.graph import Graph
from condor_futures.errors import AccessPointError, CondorFuturesError
from condor_futures.execution_point import runner
from condor_futures.files.private_files import open_regular
from condor_futures.session.finding import is_session
from condor_futures.session.session import Session, own_sessions

__all__ = ["SessionInfo", "purge", "sessions"]

_TIMEOUT = 60.0  # s, for the access point to let go of jobs, and for a killed client's helper to end


@dataclass(frozen=True)
class SessionInfo:
    """A session, as its directory shows it.

    Attributes:
        id: its name.
        directory: where it is.
        state: ``"in use"`` by an executor; ``"left"``, with work that is not done; or ``"finished"``: its executor was
            shut down, or each of its calls has an outcome.
        pid: the process that uses it; None if none does.
        client: the host of the client that used it last.
        calls: how many calls there are, without those that were cancelled.
        ended: how many of them have an outcome here. (One that ended on the access point since the client left has
            not.)
        access_point: as its executor was given it; None is the local HTCondor.
        dag: the name of the DAG whose it is, ``""`` as long as that was not written; None if it is an executor's.
        started: when.
        size: bytes of all its files.

    Example:
        >>> from condor_futures import sessions
        >>> with CondorExecutor(access_point="personal", session="scan") as executor:
        ...     [scan] = [session for session in sessions("scan") if session.directory == executor.session]
        ...     print(scan.id, scan.state, scan.ended, "of", scan.calls)
        20261121-104523-1a2b3c4d in use 0 of 0

    """

    id: str
    directory: Path
    state: Literal["in use", "left", "finished"]
    pid: int | None
    client: str
    calls: int
    ended: int
    access_point: str | tuple[str, str] | None
    started: datetime
    size: int
    dag: str | None = None

    @classmethod
    def of(cls, session: Session) -> SessionInfo:
        """Look at its files; they may be changing."""
        used = session.lock.holder is not None
        calls, ended, size = _count(session.directory)
        state: Literal["in use", "left", "finished"] = "in use" if used else "left"
        if not used and (session.record.finished or calls == ended):
            state = "finished"
        access_point = session.record.access_point
        dag = None
        if session.record.of_dag:
            access_point, dag = _of_dag(session)
        return cls(
            session.id,
            session.directory,
            state,
            session.record.pid if used else None,
            session.record.client,
            calls,
            ended,
            access_point,
            _started(session),
            size,
            dag,
        )


def sessions(*directories: str | Path) -> list[SessionInfo]:
    """The sessions of this user: what runs, what was left, what only takes room.

    Args:
        directories: sessions, or directories with sessions in them, to look at beside the default place (below
            ``$XDG_STATE_HOME``), which has those without a directory of their own.

    Raises:
        CondorFuturesError: if one of *directories* is, and has, none that is this user's.

    Example:
        >>> from condor_futures import sessions
        >>> {session.directory: session.state for session in sessions()}[executor.session]
        'in use'

    """
    found: dict[Path, SessionInfo] = {}
    for session in own_sessions():
        with contextlib.suppress(FileNotFoundError, PermissionError):  # it has just been removed
            found[session.directory] = SessionInfo.of(session)
    for directory in map(Path, directories):
        path = directory.absolute()
        below = [path] if is_session(path) else [file.parent for file in path.glob("*/session.json")]
        for place in below or [path]:  # (open() says what is not there)
            found[place] = SessionInfo.of(Session.open(place))
    return sorted(found.values(), key=lambda session: session.started)


def purge(session: str | Path, *, force: bool = False) -> int:
    """Remove a session, with all its jobs: from the queue, from the spool directory, and its own directory.

    Args:
        session: its directory, or its id, as :func:`sessions` lists it; nobody may be using it.
        force: remove the directory only, and leave alone an access point that does not answer or that is no more.

    Returns:
        The number of jobs that were removed from the queue.

    Raises:
        CondorFuturesError: if there is no such session, or it is in use.
        AccessPointError: if the access point does not answer, or does not let go of the jobs; the session is then still
            there.

    Example:
        >>> from condor_futures import purge
        >>> executor = CondorExecutor(access_point="personal", session="scan")
        >>> future = executor.submit(time.sleep, 3600)
        >>> session = executor.detach()  # and then nobody wants it any more:
        >>> removed = purge(session)

    """
    found = Session.find(session)
    if found.record.of_dag and not force:
        raise CondorFuturesError(
            f"{found.directory} belongs to a DAG, whose jobs DAGMan submits: DagExecutor.attach() and "
            "terminate_workers() end those; force removes the directory only"
        )
    found.hold(_TIMEOUT)
    removed = 0
    try:
        if not force:
            removed = _remove_jobs(found)
    except BaseException as error:
        found.leave()
        if isinstance(error, AccessPointError):
            raise AccessPointError(
                f"{error}. The session {found.id} is still there; to force its removal would remove its directory, "
                "and leave what jobs there may be"
            ) from None
        raise
    found.remove()
    return removed


def _remove_jobs(session: Session) -> int:
    place = Place.of(session)
    helper = AccessPoint(place.location, lock=session.lock.path)
    try:
        helper.connect()
        return wait_until_gone(helper, session.constraint, _TIMEOUT, remove_after=0.0)
    finally:
        helper.close()
        place.leave()


def _of_dag(session: Session) -> tuple[Any, str]:
    """The access point of the DAG whose session it is, and its name."""
    try:
        graph = Graph.load(session.directory)
    except CondorFuturesError:
        return None, ""
    return graph.access_point, graph.name


def _count(directory: Path) -> tuple[int, int, int]:
    """How many calls there are, how many of them have an outcome, and the bytes of all files.

    Only headers are read, and nothing is authenticated: a number is the worst that could be wrong.
    """
    calls, ended, size = 0, 0, 0
    for place, _, names in os.walk(directory):
        keys: dict[str, set[str]] = {"call": set(), "outcome": set()}
        cancelled = {name.removesuffix(".cancelled") for name in names if name.endswith(".cancelled")}
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(OSError):
                size += path.lstat().st_size
                if path.suffix in (".calls", ".outcomes") and path.stem not in cancelled:
                    kind = "call" if path.suffix == ".calls" else "outcome"
                    keys[kind].update(_keys(path, kind))
        calls += len(keys["call"] | keys["outcome"])
        ended += len(keys["outcome"])
    return calls, ended, size


def _keys(path: Path, kind: str) -> Iterator[str]:
    with open_regular(path) as file:
        for header, _, _ in runner.skim(file):
            if header.get("kind") == kind and isinstance(header.get("call"), str):
                yield header["call"]


def _started(session: Session) -> datetime:
    """What its id says; it is also that of a session that was copied."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(session.id[:15], "%Y%m%d-%H%M%S").astimezone()
    return datetime.fromtimestamp(session.directory.stat().st_ctime).astimezone()
