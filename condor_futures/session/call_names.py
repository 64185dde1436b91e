"""The file ``names`` of a session: the names that the user gave to calls.

It does not exist if no call has a name. The names are not in a bundle's file of calls, which is removed when the calls
have ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from condor_futures.files.appending import append_to
from condor_futures.files.private_files import open_regular

__all__ = ["FILE", "append_names", "clean", "read_names"]

FILE: Final = "names"
#: Characters of a name.
LONGEST: Final = 200


def clean(name: str) -> str:
    r"""Return *name* as it can be shown anywhere: in one line, of at most 200 characters.

    >>> clean("fit\t1\n")
    'fit 1'

    """
    return "".join(c if c.isprintable() else " " for c in name[:LONGEST]).strip()


def append_names(directory: Path, names: Iterable[tuple[str, str]]) -> None:
    """Record the *names* of calls, each with the key of its call before it.

    Args:
        directory: that of the session.
        names: as :func:`clean` returns them. Any thread may append some.

    Raises:
        OSError: they cannot be written.

    """
    lines = "\n".join(f"{key} {name}" for key, name in names)
    if lines:
        append_to(directory / FILE, lines)


def read_names(directory: Path) -> dict[str, str]:
    """Return the names of calls by call key; none if the session is not on this machine, or has no names.

    Args:
        directory: that of the session.

    """
    try:
        with open_regular(directory / FILE) as file:
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return {}
    names = {}
    for line in text.split("\n"):
        key, blank, name = line.partition(" ")
        if blank and (name := clean(name)):
            names[key] = name
    return names
