"""A starter's Chirp proxy and its shadow in one, for jobs without HTCondor.

It speaks the protocol as HTCondor 25.14 does (``src/condor_starter.V6.1/io_proxy_handler.cpp``), as far as warm jobs
use it. Files are confined to one directory, as by ``LimitDirectoryAccess``. Tests switch on faults.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import threading
from pathlib import Path
from typing import BinaryIO

NOT_AUTHENTICATED, NOT_AUTHORIZED, DOES_NOT_EXIST, NO_SPACE, INVALID_REQUEST = -1, -2, -3, -6, -8
BAD_DESCRIPTOR, OFFLINE, UNKNOWN = -12, -17, -127
_CODES = {
    errno.ENOENT: DOES_NOT_EXIST,
    errno.EBADF: BAD_DESCRIPTOR,
    errno.EINVAL: INVALID_REQUEST,
    errno.ENOSPC: NO_SPACE,
}
LONGEST = 5 << 20  # MAX_REMOTE_BUF_SIZE


class _ConnectionCutError(Exception):
    """A fault closes the connection."""


class ChirpProxy:
    """A server in threads of this process.

    Attributes:
        config: what ``$_CONDOR_CHIRP_CONFIG`` names a file with: host, port and cookie.
        requests: the first words of all requests.
        alias: the directory's name at the access point; it may not exist here, as for a job on another machine.
        exits: how often the starter would have exited, because it was asked to open a file without a shadow.
        offline: there is no shadow.
        shortest: a write writes at most this many bytes.

    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self.alias = str(self.directory)
        self.requests: list[str] = []
        self.exits = 0
        self.offline = False
        self.shortest: int | None = None
        self._codes: list[tuple[int, re.Pattern[str]]] = []
        self._cut_replies: list[int] = []
        self._cut_requests: list[int] = []
        self._moving = threading.Event()
        self._moving.set()
        self._lock = threading.RLock()
        self._files: dict[int, int] = {}
        self._connections: set[socket.socket] = set()
        self._cookie = secrets.token_hex(16)
        self._server = socket.create_server(("127.0.0.1", 0))
        host, port = self._server.getsockname()
        self.config = f"{host} {port} {self._cookie}\n"
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    # Faults.

    def refuse(self, code: int, times: int = 1, request: str = "") -> None:
        """Reply to the next requests with an error; *request* is a pattern for those that count."""
        with self._lock:
            self._codes += [(code, re.compile(request))] * times

    def new_shadow(self) -> None:
        """Let another shadow come, which has not the files open; but it has files of its own under other numbers."""
        with self._lock:
            for descriptor in self._files.values():
                os.close(descriptor)
            self._files.clear()

    def stand_still(self) -> None:
        """Reply to nothing until :meth:`go_on`."""
        self._moving.clear()

    def go_on(self) -> None:
        self._moving.set()

    def cut_replies(self, *after: int) -> None:
        """Close the connection in the middle of the next replies with data, after so many bytes."""
        with self._lock:
            self._cut_replies += after

    def cut_requests(self, *after: int) -> None:
        """Close the connection in the middle of the data of the next requests, after so many bytes."""
        with self._lock:
            self._cut_requests += after

    def close_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed = True
        self._moving.set()
        self._server.close()
        self.close_connections()
        self.new_shadow()

    @property
    def open_files(self) -> int:
        """How many files the shadow has open."""
        return len(self._files)

    # The protocol.

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with (
            contextlib.suppress(OSError, ValueError, _ConnectionCutError),  # also when the file is closed
            connection,
            connection.makefile("rwb") as file,
        ):
            known = False
            while line := file.readline():
                self._moving.wait()
                if self._closed:
                    break
                words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", line.decode())]
                self.requests.append(words[0])
                if known:
                    self._reply(file, words)
                else:
                    known = words == ["cookie", self._cookie]
                    file.write(b"0\n" if known else b"%d\n" % NOT_AUTHENTICATED)
                file.flush()
        self._connections.discard(connection)

    def _reply(self, file: BinaryIO, words: list[str]) -> None:
        data = b""
        if words[0] == "pwrite":  # the starter reads the data before it asks the shadow
            size = int(words[2])
            cut = self._next(self._cut_requests)
            data = file.read(size if cut is None else min(size, cut))
            if len(data) < size:
                raise _ConnectionCutError
        try:
            result, more = self._do(words, data)
        except OSError as error:
            result, more = _CODES.get(error.errno or 0, UNKNOWN), b""
        reply = b"%d\n" % result + more
        if more and words[0] in ("pread", "read") and (cut := self._next(self._cut_replies)) is not None:
            file.write(reply[:cut])
            file.flush()
            raise _ConnectionCutError
        file.write(reply)

    def _next(self, faults: list[int]) -> int | None:
        with self._lock:
            return faults.pop(0) if faults else None

    def _do(self, words: list[str], data: bytes) -> tuple[int, bytes]:
        with self._lock:
            if self.offline and words[0] == "open":
                self.exits += 1
                raise _ConnectionCutError
            if self.offline:
                return OFFLINE, b""
            if self._codes and self._codes[0][1].match(words[0]):
                return self._codes.pop(0)[0], b""
            return self._ask_the_shadow(words, data)

    def _ask_the_shadow(self, words: list[str], data: bytes) -> tuple[int, bytes]:
        match words:
            case ["open", path, flags, mode]:
                return self._open(Path(path.replace(self.alias, str(self.directory), 1)), flags, int(mode))
            case ["read", number, size]:
                self._check(int(size), 0)
                read = os.read(self._files.get(int(number), -1), int(size))
                return len(read), read
            case ["pread", number, size, offset]:
                self._check(int(size), int(offset))
                read = os.pread(self._files.get(int(number), -1), int(size), int(offset))
                return len(read), read
            case ["pwrite", number, size, offset]:
                self._check(int(size), int(offset))
                return os.pwrite(self._files.get(int(number), -1), data[: self.shortest], int(offset)), b""
        return self._position_or_close(words), b""

    def _position_or_close(self, words: list[str]) -> int:
        match words:
            case ["lseek", number, offset, "0"]:
                return os.lseek(self._files.get(int(number), -1), int(offset), os.SEEK_SET)
            case ["close", number]:
                os.close(self._files.pop(int(number), -1))
                return 0
        return INVALID_REQUEST

    @staticmethod
    def _check(size: int, offset: int) -> None:
        if not 0 < size <= LONGEST or not 0 <= offset < 1 << 31:
            raise OSError(errno.EINVAL, "not possible")

    def _open(self, path: Path, flags: str, mode: int) -> tuple[int, bytes]:
        if not path.resolve().is_relative_to(self.directory):
            return NOT_AUTHORIZED, b""
        how = (os.O_RDWR if "r" in flags else os.O_WRONLY) if "w" in flags else os.O_RDONLY
        for letter, flag in {"c": os.O_CREAT, "t": os.O_TRUNC, "x": os.O_EXCL, "a": os.O_APPEND}.items():
            how |= flag if letter in flags else 0
        descriptor = os.open(path, how | os.O_CLOEXEC, mode)
        number = 20 + descriptor  # another number, so that no test depends on it
        self._files[number] = descriptor
        about = os.fstat(descriptor)
        return number, " ".join(map(str, about)).encode() + b"\n"
