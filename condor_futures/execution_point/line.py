"""The line to the access point: Chirp, HTCondor's own channel from a job to its shadow, through its starter.

The protocol is that of HTCondor 25.14 (``src/condor_starter.V6.1/io_proxy_handler.cpp``); 23.9 has the same. A request
is a line; the reply is a line with a number, which is negative for an error. The shadow performs each operation as the
owner of the job. The operations take their offsets as 32-bit integers, so a file can have at most 2 GiB.
"""

import os
import socket
import time

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .frames import Buffer

PIECE = 1 << 20
"""The largest number of bytes in one request: starter and shadow each hold them in memory."""
NO_SPACE, NO_MEMORY, TOO_MANY_OPEN, BUSY, TRY_AGAIN, BAD_DESCRIPTOR, OFFLINE = -6, -7, -9, -10, -11, -12, -17
"""Codes of replies, as ``src/condor_chirp/chirp_protocol.h`` has them. OFFLINE: the starter has no shadow."""
PASSING = frozenset([NO_SPACE, NO_MEMORY, TOO_MANY_OPEN, BUSY, TRY_AGAIN, BAD_DESCRIPTOR, OFFLINE])
"""Errors after which an operation is tried again."""
SLICE = 0.25
"""Seconds of a wait after which it is checked whether the wait may go on."""
_BACKSLASH = str.maketrans({character: "\\" + character for character in "\\ \n\t\r"})


class LineError(OSError):
    """An operation failed; *code* is Chirp's, 0 if there was no reply."""

    code = 0


class Line:
    """A connection to the starter's Chirp proxy."""

    def __init__(self, patience: "Callable[[], float | None]" = lambda: None) -> None:
        """Connect.

        Args:
            patience: returns how many seconds a reply may take; None if it may take forever, as while the shadow stands
                still. It is called again and again during a wait, so a signal handler can shorten the wait.

        Raises:
            LineError: the job has no proxy, or the proxy does not respond.

        """
        # HTCondor 25.10 and later set the variable; earlier versions write the file into the scratch directory.
        scratch = os.environ.get("_CONDOR_SCRATCH_DIR", ".")
        path = os.environ.get("_CONDOR_CHIRP_CONFIG") or os.path.join(scratch, ".chirp.config")
        self._buffer = b""
        self._patience, self._asked = patience, time.monotonic()
        try:
            with open(path) as file:
                host, port, cookie = file.read().split()[:3]
            self._socket = socket.create_connection((host, int(port)))
            # Without it a write takes 44 ms: the proxy acknowledges the request only after a delay (25.14).
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(SLICE)
        except (OSError, ValueError) as error:
            raise LineError("the job cannot connect to its Chirp proxy: %s" % error) from None
        try:
            self._ask("cookie " + cookie)
        except LineError:
            self.close()
            raise

    def check(self) -> None:
        """Fail unless there is a shadow, which has no file with the number -1."""
        try:
            self._ask("pread -1 1 0")
        except LineError as error:
            if error.code != BAD_DESCRIPTOR:
                raise

    def open(self, path: str, flags: str) -> int:
        """Open a file of the access point, and return its descriptor there; *flags* are those of Chirp."""
        descriptor = self._ask("open %s %s %d" % (path.translate(_BACKSLASH), flags, 0o600))
        self._line()  # its status
        return descriptor

    def read(self, descriptor: int, size: int, offset: int) -> bytes:
        """Return at most *size* bytes at *offset*; none at the end of the file."""
        return self._exactly(self._ask("pread %d %d %d" % (descriptor, size, offset)))

    def read_on(self, descriptor: int, size: int) -> bytes:
        """Return the next bytes, *size* at most; the file may be larger than the other operations allow."""
        return self._exactly(self._ask("read %d %d" % (descriptor, size)))

    def rewind(self, descriptor: int) -> None:
        """Let :meth:`read_on` begin at the beginning of the file."""
        self._ask("lseek %d 0 0" % descriptor)

    def close_file(self, descriptor: int) -> None:
        """Close a file."""
        self._ask("close %d" % descriptor)

    def write(self, descriptor: int, data: "Buffer", offset: int) -> int:
        """Write *data* at *offset*; return how many bytes were written."""
        size = memoryview(data).nbytes
        return self._ask("pwrite %d %d %d" % (descriptor, size, offset), [data])

    def close(self) -> None:
        """Close the connection; the proxy closes nothing on the access point, but the shadow exits with the job."""
        self._socket.close()

    def _ask(self, request: str, data: "Iterable[Buffer]" = ()) -> int:
        self._asked = time.monotonic()
        try:
            # In one packet if it is small: each packet wakes the starter.
            unsent = memoryview(b"".join([request.encode() + b"\n"] + [bytes(part) for part in data]))
            while unsent:
                unsent = unsent[self._wait(self._socket.send, unsent) :]
            reply = int(self._line())
        except LineError:
            raise
        except (OSError, ValueError) as error:
            raise LineError("the Chirp proxy does not respond: %s" % error) from None
        if reply < 0:
            failed = LineError("the access point refuses %r: Chirp error %d" % (request.split(maxsplit=1)[0], reply))
            failed.code = reply
            raise failed
        return reply

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._receive(4096)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _exactly(self, size: int) -> bytes:
        parts, missing = [self._buffer[:size]], size - len(self._buffer)
        self._buffer = self._buffer[size:]
        while missing > 0:
            self._receive(min(missing, PIECE))
            parts.append(self._buffer)
            missing -= len(self._buffer)
            self._buffer = b""
        return b"".join(parts)

    def _receive(self, size: int) -> None:
        try:
            data = self._wait(self._socket.recv, size)
        except OSError as error:
            raise LineError("the Chirp proxy does not respond: %s" % error) from None
        if not data:
            raise LineError("the Chirp proxy closed the connection")
        self._buffer += data

    def _wait(self, operation: "Callable[[Any], Any]", argument: "Any") -> "Any":
        while True:
            try:
                return operation(argument)
            except socket.timeout:
                patience = self._patience()
                if patience is not None and time.monotonic() - self._asked > patience:
                    raise
