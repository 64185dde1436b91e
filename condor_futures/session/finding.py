"""Where sessions are, and how one is found by its directory or its id."""

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

#: What :meth:`condor_futures.session.session.Session.create` makes.
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


def sessions_directory() -> Path:
    """Where sessions without a directory of their own are kept: below ``$XDG_STATE_HOME``."""
    return platformdirs.user_state_path("condor_futures") / "sessions"


def session_path(session: object) -> Path | None:
    """The directory that the executor's *session* names; None if it names none.

    Raises:
        TypeError: if it is no path.

    """
    if session is None:
        return None
    if not isinstance(session, (str, Path)) or session == "":
        raise TypeError(f"session must be a directory, as str or Path, not {session!r}")
    return Path(session).absolute()


def usual_directories() -> Iterator[Path]:
    """Those where sessions without a directory of their own are, root's others included; each may be another's."""
    places = [*_listed(sessions_directory(), "*"), *_listed(Path(tempfile.gettempdir()), "condor_futures-*")]
    yield from filter(is_session, sorted(places))


def find_directory(name: object) -> Path:
    """The directory *name*, or that of the session with the id *name* in the usual places.

    Raises:
        CondorFuturesError: if there is none.
        TypeError: if *name* is neither.

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
        return Path(name)  # whoever reads it says what is not there
    jobs = f"; condor_rm -constraint '{constraint_of(name)}' removes its jobs" if _ID.fullmatch(name) else ""
    raise CondorFuturesError(
        f"there is no session {name!r} here; `condor-futures sessions` lists those there are{jobs}"
    )


def is_session(directory: Path) -> bool:
    """Whether a session is in *directory*, as far as this user can see: what is another's may not be looked into."""
    try:
        return (directory / RECORD).exists()
    except OSError:
        return False


def _listed(directory: Path, pattern: str) -> list[Path]:
    try:
        return list(directory.glob(pattern))
    except OSError:  # of a directory that cannot be read, up to Python 3.12; later ones find nothing there
        return []


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except PermissionError:
        return True  # as far as can be seen
    except (OSError, ValueError):
        return False


def check_session_directory(directory: Path) -> None:
    r"""Refuse a directory that no submit description can name.

    Raises:
        ValueError: for what HTCondor expands whatever one writes, a line break, a part that ends in a backslash, and
            what is not text.

    Example:
        >>> check_session_directory(Path("/data/a $(b)"))
        >>> check_session_directory(Path("/data/a$$(b)"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: a session cannot be in '/data/a$$(b)': HTCondor cannot take this as the name of a directory; ...

    """
    if not is_directory_name(directory):
        raise ValueError(
            f"a session cannot be in {str(directory)!r}: HTCondor cannot take this as the name of a directory; "
            "choose another one"
        )
