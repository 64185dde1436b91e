"""List the sessions on this machine, and remove them."""

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
from condor_futures.calls.lines import Notes
from condor_futures.calls.usages import Usages
from condor_futures.dag.files import read_manifest
from condor_futures.errors import AccessPointError, CondorFuturesError
from condor_futures.execution_point.frames import skim
from condor_futures.files.private_files import open_regular
from condor_futures.session.finding import is_session
from condor_futures.session.session import Session, own_sessions

__all__ = ["SessionInfo", "purge", "sessions", "usage"]

_TIMEOUT = 60.0  # s, for removed jobs to leave the queue, and for the helper process of a killed client to end


@dataclass(frozen=True)
class SessionInfo:
    """A session, according to its directory.

    Attributes:
        id: the id of the session.
        directory: the directory of the session.
        state: ``"in use"`` by an executor; ``"left"`` with unfinished work; or ``"finished"``: its executor was shut
            down, or each of its calls has an outcome.
        pid: the process that uses the session; None if there is none.
        client: the host of the last client that used the session.
        calls: the number of calls that were not cancelled.
        ended: the number of these calls that have an outcome in the directory. (Outcomes of calls that ended after the
            client left are still on the access point, and not counted.)
        access_point: the *access_point* argument of the session's executor; None means the local HTCondor.
        dag: the name of the DAG that the session belongs to, ``""`` if the DAG has not been written yet; None if the
            session belongs to an executor.
        started: the time when the session was created.
        size: the total size of the files in bytes.

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
        """Describe a session from its files, which may be changing."""
        used = session.lock.holder is not None
        calls, ended, size = _count(session)
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
    """Return your sessions: in use, left, and finished.

    Args:
        directories: sessions, or directories that contain sessions, to list in addition to the default place (below
            ``$XDG_STATE_HOME``). The default place holds the sessions that were created without a directory.

    Raises:
        CondorFuturesError: one of *directories* neither is nor contains a session of yours.

    Example:
        >>> from condor_futures import sessions
        >>> {session.directory: session.state for session in sessions()}[executor.session]
        'in use'

    """
    found: dict[Path, SessionInfo] = {}
    for session in own_sessions():
        with contextlib.suppress(FileNotFoundError, PermissionError):  # the session has just been removed
            found[session.directory] = SessionInfo.of(session)
    for directory in map(Path, directories):
        path = directory.absolute()
        below = [path] if is_session(path) else [file.parent for file in path.glob("*/session.json")]
        for place in below or [path]:  # (if there is no session, open() raises the error)
            found[place] = SessionInfo.of(Session.open(place))
    return sorted(found.values(), key=lambda session: session.started)


def purge(session: str | Path, *, force: bool = False) -> int:
    """Remove a session: its jobs from the queue, their files from the spool directory, and its own directory.

    Args:
        session: the directory or the id of a session, as :func:`sessions` lists it. The session must not be in use.
        force: remove only the directory, without contacting the access point, for an access point that does not respond
            or no longer exists.

    Returns:
        The number of jobs that were removed from the queue.

    Raises:
        CondorFuturesError: there is no such session, or it is in use.
        AccessPointError: the access point does not respond, or jobs remain in its queue; the session is then not
            removed.

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
            f"{found.directory} belongs to a DAG, and DAGMan submits its jobs: use DagExecutor.attach() and "
            "terminate_workers() to remove them; force removes only the directory"
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
                f"{error}. The session {found.id} was not removed; force removes only its directory, and leaves its "
                "jobs in the queue"
            ) from None
        raise
    found.remove()
    return removed


def usage(session: str | Path) -> list[dict[str, Any]]:
    """Return what the calls of a session, and their jobs, used; like :meth:`CondorExecutor.usage`.

    The session may be in use, left or finished, and may belong to a DAG. Nothing is changed.

    Args:
        session: the directory or the id of the session, as :func:`sessions` lists it.

    Returns:
        The same as :meth:`CondorExecutor.usage`. The outcomes of jobs that ended after the client left, and that are
        still at the access point, are missing.

    Raises:
        CondorFuturesError: there is no such session of yours.

    Example:
        >>> from condor_futures import usage
        >>> with CondorExecutor(access_point="personal", session="scan") as executor:
        ...     powers = list(executor.map(pow, [2, 3], [10, 2]))
        >>> [call["result"] for call in usage("scan")]
        ['value', 'value']

    """
    return Usages(Session.find(session).directory).table()


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
    """Return the access point and the name of the DAG that the session belongs to."""
    try:
        about = read_manifest(session.directory)
    except CondorFuturesError:
        return None, ""
    return about["access_point"], about["name"]


def _count(session: Session) -> tuple[int, int, int]:
    """Return the number of calls, the number of calls with an outcome, and the total size of all files.

    Only headers are read, and nothing is authenticated: a forged file can do no more than make a number wrong.
    """
    calls: set[str] = set()
    ended: set[str] = set()
    size = 0
    of_warm_jobs = Notes.of(session).cancelled
    for place, _, names in os.walk(session.directory):
        cancelled = {name.removesuffix(".cancelled") for name in names if name.endswith(".cancelled")}
        for name in names:
            path = Path(place, name)
            with contextlib.suppress(OSError):
                size += path.lstat().st_size
                if path.suffix == ".outcomes" and path.stem not in cancelled:
                    ended.update(_keys(path, "outcome"))
                elif path.suffix == ".calls" and session.bundles in path.parents:
                    # (What the client handed to warm jobs is in other files too, also where nobody waits for it.)
                    calls.update(key for key in _keys(path, "call") if key not in of_warm_jobs.get(path.stem, ()))
    return len(calls | ended), len(ended), size


def _keys(path: Path, kind: str) -> Iterator[str]:
    with open_regular(path) as file:
        for header, _, _ in skim(file):
            if header.get("kind") == kind and isinstance(header.get("call"), str):
                yield header["call"]


def _started(session: Session) -> datetime:
    """Return the time in the session's id, which stays the same when the session is copied."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(session.id[:15], "%Y%m%d-%H%M%S").astimezone()
    return datetime.fromtimestamp(session.directory.stat().st_ctime).astimezone()
