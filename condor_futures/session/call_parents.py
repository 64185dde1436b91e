"""The file ``parents`` of a session: which calls wait for which others, for the graph in a report.

It does not exist if no call waits for another. The files of calls, which have this too, are removed when the calls have
ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from condor_futures.files.appending import append_to
from condor_futures.files.private_files import open_regular

__all__ = ["FILE", "append_parents", "read_parents"]

FILE: Final = "parents"


def append_parents(directory: Path, calls: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Record the keys of *calls*, each with the keys of its parents.

    Args:
        directory: that of the session.
        calls: any thread may append some. Calls without parents are left out.

    Raises:
        OSError: they cannot be written.

    """
    lines = "\n".join(" ".join([key, *parents]) for key, parents in calls if parents)
    if lines:
        append_to(directory / FILE, lines)


def read_parents(directory: Path) -> dict[str, list[str]]:
    """Return the parents of each call that has any, by call key; none if the session is not on this machine.

    Args:
        directory: that of the session.

    """
    try:
        with open_regular(directory / FILE) as file:
            text = file.read().decode("ascii", "replace")
    except OSError:
        return {}
    return {words[0]: words[1:] for line in text.splitlines() if len(words := line.split()) > 1}
