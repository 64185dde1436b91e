"""Files that are this user's alone: where they may be, and how they are opened.

Who can write to a directory on the way to a file can put another file in its place. What the jobs execute, and what
comes back of them, is unpickled; so others must not be able to.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from condor_futures.errors import CondorFuturesError

__all__ = ["check_place", "make_directory", "open_patiently", "open_regular"]

T = TypeVar("T")

#: Seconds until one who could not open a file, because too many are open, is told so.
PATIENCE = 30.0

#: AFS, and EOS.
_LISTS = {"afs", "fuse", "fuse.eosxd"}


def check_place(directory: Path, owner: int | None = None, what: str = "a session") -> None:
    """Make sure that *directory* is this user's, and that not everybody can write to it or put another in its place.

    A group that may write to a directory above it, and the owners of those directories, are trusted.

    Args:
        directory: absolute; it exists.
        owner: another uid that it may belong to.
        what: is to be there.

    Raises:
        CondorFuturesError: if that is not so.
        OSError: if it cannot be found out.

    """
    mine = {os.geteuid(), owner}
    # As it is written, and as it is in the end: a link on the way is a file as any other.
    for path in dict.fromkeys((*_way(directory), *_way(directory.resolve()))):
        above = path.parent.stat()
        if not above.st_mode & stat.S_IWOTH or _has_lists(above.st_dev):
            continue
        if not above.st_mode & stat.S_ISVTX:
            raise CondorFuturesError(
                f"{directory} is no safe place for {what}: everybody may write to {path.parent}; "
                "choose another, or take that away (chmod o-w)"
            )
        user = path.lstat().st_uid
        if user not in {0, *mine}:
            raise CondorFuturesError(
                f"{directory} is no safe place for {what}: in {path.parent}, to which everybody may write, "
                f"{path.name} belongs to the uid {user}"
            )
    about = directory.stat()
    if about.st_uid not in mine and not _has_lists(about.st_dev):
        raise CondorFuturesError(f"{directory} is not yours: it belongs to the uid {about.st_uid}")


def _has_lists(device: int) -> bool:
    """Whether files there have access lists of their own kind, and modes that say nothing: /afs itself shows 0777."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="replace") as mounts:
        # 36 35 98:0 /root /mount/point options - type source options
        kinds = [line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == number]
    return bool(_LISTS.intersection(kinds))


def make_directory(path: Path, mode: int) -> None:
    """Make a directory, unless it is there, and those above it, which others can enter and not write to."""
    if not path.exists():
        make_directory(path.parent, 0o755)
        path.mkdir(mode, exist_ok=True)
        path.chmod(mode)  # whatever the umask is


def _way(path: Path) -> Iterator[Path]:
    """*path* and the directories above it, but the root."""
    yield path
    yield from list(path.parents)[:-1]


def open_patiently(opening: Callable[[], T]) -> T:
    """Open a file; as long as too many are open, in this process or on this machine, try again for a while.

    Raises:
        OSError: if that cannot be done.

    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return opening()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def open_regular(path: Path) -> BinaryIO:
    """Open a file to be read, in place of which there may be something else: a link, or a pipe that nobody writes to.

    Raises:
        OSError: it is not a regular file, or cannot be opened.

    """
    descriptor = open_patiently(lambda: os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")
