"""Private files of this user: safe places for them, and opening them.

A user who can write to a directory on the path of a file can put another file in its place. The jobs' calls and their
outcomes are unpickled, so no other user may be able to replace these files.
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

#: Seconds to retry opening a file while too many files are open.
PATIENCE = 30.0

#: Types of file systems with their own access lists: AFS and EOS.
_LISTS = {"afs", "fuse", "fuse.eosxd"}


def check_place(directory: Path, owner: int | None = None, what: str = "a session") -> None:
    """Check that *directory* belongs to this user, and that not everybody can write to it or replace it.

    The owners of the directories above it, and a group that may write to these directories, are trusted.

    Args:
        directory: an absolute path of an existing directory.
        owner: another uid that the directory may belong to.
        what: the purpose of the directory, for the error message.

    Raises:
        CondorFuturesError: the directory is not safe.
        OSError: the check failed.

    """
    mine = {os.geteuid(), owner}
    # Both the given path and the resolved path: a link on the path can be replaced like any other file.
    for path in dict.fromkeys((*_way(directory), *_way(directory.resolve()))):
        above = path.parent.stat()
        if not above.st_mode & stat.S_IWOTH or _has_lists(above.st_dev):
            continue
        if not above.st_mode & stat.S_ISVTX:
            raise CondorFuturesError(
                f"{directory} is not a safe place for {what}: everybody can write to {path.parent}; "
                "choose another directory, or remove that permission (chmod o-w)"
            )
        user = path.lstat().st_uid
        if user not in {0, *mine}:
            raise CondorFuturesError(
                f"{directory} is not a safe place for {what}: in {path.parent}, where everybody can write, "
                f"{path.name} belongs to the uid {user}"
            )
    about = directory.stat()
    if about.st_uid not in mine and not _has_lists(about.st_dev):
        raise CondorFuturesError(f"{directory} is not yours: it belongs to the uid {about.st_uid}")


def _has_lists(device: int) -> bool:
    """Return whether the file system has its own access lists, so that modes mean nothing: /afs itself has 0777."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="replace") as mounts:
        # 36 35 98:0 /root /mount/point options - type source options
        kinds = [line.partition(" - ")[2].split()[0] for line in mounts if line.split()[2] == number]
    return bool(_LISTS.intersection(kinds))


def make_directory(path: Path, mode: int) -> None:
    """Make a directory if it does not exist; others can enter, but not write to, the parents that this makes."""
    if not path.exists():
        make_directory(path.parent, 0o755)
        path.mkdir(mode, exist_ok=True)
        path.chmod(mode)  # mkdir's mode is subject to the umask


def _way(path: Path) -> Iterator[Path]:
    """Yield *path* and the directories above it, without the root."""
    yield path
    yield from list(path.parents)[:-1]


def open_patiently(opening: Callable[[], T]) -> T:
    """Call *opening*, and retry for ``PATIENCE`` seconds while too many files are open in this process or machine.

    Raises:
        OSError: the file cannot be opened.

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
    """Open a regular file for reading, and refuse anything else in its place, such as a link or a pipe.

    Raises:
        OSError: it is not a regular file, or cannot be opened.

    """
    descriptor = open_patiently(lambda: os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")
