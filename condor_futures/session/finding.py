"""The default places of sessions, and finding a session by its directory or its id."""

from __future__ import annotations

import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from condor_futures.errors import CondorFuturesError
from condor_futures.session.record import RECORD, constraint_of
from condor_futures.submit.values import is_directory_name

__all__ = [
    "check_session_directory",
    "find_directory",
    "is_session",
    "session_path",
    "sessions_directory",
    "usual_directories",
]

#: The ids that :meth:`condor_futures.session.session.Session.create` makes.
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


def sessions_directory() -> Path:
    """Return the directory for sessions that are created without a directory: below ``$XDG_STATE_HOME``."""
    return platformdirs.user_state_path("condor_futures") / "sessions"


def session_path(session: object) -> Path | None:
    """Return the directory for the executor's *session* argument; None if that is None.

    Raises:
        TypeError: *session* is not a path.

    """
    if session is None:
        return None
    if not isinstance(session, (str, Path)) or session == "":
        raise TypeError(f"session must be a directory, as str or Path, not {session!r}")
    return Path(session).absolute()


def usual_directories() -> Iterator[Path]:
    """Yield the session directories in the default places, including those of root's jobs that run as another user.

    Some may belong to other users.
    """
    places = [*_listed(sessions_directory(), "*"), *_listed(Path(tempfile.gettempdir()), "condor_futures-*")]
    yield from filter(is_session, sorted(places))


def find_directory(name: object) -> Path:
    """Return the directory *name*, or the directory of the session with the id *name* in the default places.

    Raises:
        CondorFuturesError: there is no such session.
        TypeError: *name* is neither a directory nor an id.

    """
    name = str(name) if isinstance(name, Path) else name
    if not isinstance(name, str) or name == "":
        raise TypeError(f"a session is named by its directory or its id, as str or Path, not {name!r}")
    places = [Path(name), sessions_directory() / name, sessions_directory() / f"condor_futures-{name}"]
    places.append(Path(tempfile.gettempdir()) / f"condor_futures-{name}")
    for place in places:
        if is_session(place):
            return place
    if _is_directory(Path(name)):
        return Path(name)  # reading the session raises an error that says what is missing
    jobs = f"; condor_rm -constraint '{constraint_of(name)}' removes its jobs" if _ID.fullmatch(name) else ""
    raise CondorFuturesError(
        f"there is no session {name!r} on this machine; `condor-futures sessions` lists your sessions{jobs}"
    )


def is_session(directory: Path) -> bool:
    """Return whether *directory* contains a session; False if this user may not look into it."""
    try:
        return (directory / RECORD).exists()
    except OSError:
        return False


def _listed(directory: Path, pattern: str) -> list[Path]:
    try:
        return list(directory.glob(pattern))
    except OSError:  # the directory cannot be read; from Python 3.13 on, glob() returns nothing instead
        return []


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except PermissionError:
        return True  # it may be one
    except (OSError, ValueError):
        return False


def check_session_directory(directory: Path) -> None:
    r"""Raise an error for a directory that a submit description cannot name.

    Raises:
        ValueError: the name has a macro that HTCondor expands in any notation, a line break, or a part that ends in a
            backslash, or it cannot be encoded.

    Example:
        >>> check_session_directory(Path("/data/a $(b)"))
        >>> check_session_directory(Path("/data/a$$(b)"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: a session cannot be in '/data/a$$(b)': HTCondor does not support this directory name; ...

    """
    if not is_directory_name(directory):
        raise ValueError(
            f"a session cannot be in {str(directory)!r}: HTCondor does not support this directory name; choose another "
            "directory"
        )
