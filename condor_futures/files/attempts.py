"""The names of the files that the attempts of a warm job make."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from pathlib import Path
from typing import Final

__all__ = ["find_attempts"]

#: A hostile job may make as many files as it likes. Further ones are not looked at.
MOST_FILES: Final = 10_000
_OUTCOMES: Final = re.compile(r"([0-9a-f]{16})\.outcomes")


def find_attempts(directory: Path) -> list[str]:
    """Return the names of the attempts that began in *directory*; the one that wrote last comes last.

    >>> find_attempts(Path("no such directory"))
    []
    """
    found = []
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in itertools.islice(entries, MOST_FILES):
            if name := _OUTCOMES.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    found.append((entry.stat(follow_symlinks=False).st_mtime_ns, name[1]))
    return [name for _, name in sorted(found)]
