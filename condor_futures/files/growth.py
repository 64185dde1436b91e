"""Notices that files grow: by inotify, which Linux has for files that are written on this machine."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from pathlib import Path

__all__ = ["Growth"]

_MODIFY, _CREATE, _MOVED_TO, _IGNORED = 0x2, 0x100, 0x80, 0x8000  # <sys/inotify.h>
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows


class Growth:
    """Tells which of the watched directories have new files, and which of the watched files were written to.

    It says nothing of files that another machine writes, as on NFS: poll these too.

    >>> import tempfile
    >>> directory = tempfile.TemporaryDirectory()
    >>> growth = Growth()
    >>> _ = growth.watch_directory(Path(directory.name))
    >>> _ = (Path(directory.name) / "file").write_text("1")
    >>> growth.read() == {Path(directory.name)} or not growth.works
    True
    >>> growth.close(); directory.cleanup()

    """

    def __init__(self) -> None:
        """Start; :attr:`descriptor` can be read when there is something to tell, and is None where inotify is not."""
        self.descriptor: int | None = None
        self._watches: dict[int, Path] = {}
        try:
            self._libc = ctypes.CDLL(None, use_errno=True)
            descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, AttributeError):  # another system
            return
        if descriptor >= 0:  # else the user has too many of them
            self.descriptor = descriptor

    @property
    def works(self) -> bool:
        """Whether inotify is there."""
        return self.descriptor is not None

    def watch_directory(self, path: Path) -> bool:
        """Tell of new files in *path*; return whether that works."""
        return self._watch(path, _CREATE | _MOVED_TO)

    def watch_file(self, path: Path) -> bool:
        """Tell when *path* is written to; return whether that works."""
        return self._watch(path, _MODIFY)

    def _watch(self, path: Path, mask: int) -> bool:
        if self.descriptor is None:
            return False
        watch = self._libc.inotify_add_watch(self.descriptor, os.fsencode(path), mask)
        if watch < 0:  # the user watches too many files (fs.inotify.max_user_watches), or the file is gone
            return False
        self._watches[watch] = path
        return True

    def forget(self, path: Path) -> None:
        """Tell no more of *path*."""
        for watch in [watch for watch, watched in self._watches.items() if watched == path]:
            self._libc.inotify_rm_watch(self.descriptor, watch)
            del self._watches[watch]

    def read(self) -> set[Path]:
        """Return what has changed since the last reading."""
        changed: set[Path] = set()
        if self.descriptor is None:
            return changed
        try:
            data = os.read(self.descriptor, 1 << 16)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise
            return changed
        at = 0
        while at < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, at)
            at += _EVENT.size + length
            if mask & _IGNORED:
                self._watches.pop(watch, None)
            elif watch in self._watches:
                changed.add(self._watches[watch])
        return changed

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
