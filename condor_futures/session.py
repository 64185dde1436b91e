"""A session: one executor's directory, and the only module that knows the name of anything in it.

::

    SESSION/                     0700
        session.json             0600  who and where; the secret that outcomes are authenticated with
        event_log                the job event log of all jobs of the session
        runner                   what every job executes: a zip file with a shell's first lines (see pack_runner)
        bundles/000/             initialdir of the jobs of the first 1,000 bundles, and so on
            b000017.calls        0600  what goes to the execution point
            b000017.outcomes     what comes back
            b000017.stdout, b000017.stderr
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import marshal
import os
import secrets
import shlex
import shutil
import tempfile
import time
import weakref
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import BinaryIO

import cloudpickle
import platformdirs

from condor_futures import runner
from condor_futures.errors import CondorFuturesError

__all__ = ["BUNDLES_PER_DIRECTORY", "Session", "pack_runner", "sessions_directory"]

BUNDLES_PER_DIRECTORY = 1000
"""No directory gets more bundles than this: file systems, and AFS above all, are slow with more."""


def sessions_directory() -> Path:
    """Where sessions without a directory of their own are kept: below ``$XDG_STATE_HOME``."""
    return platformdirs.user_state_path("condor_futures") / "sessions"


@dataclass(frozen=True, eq=False)
class Session:
    """The names of everything that one executor keeps on disk.

    An ephemeral session is removed when the last reference to it is gone (the futures keep one, so that their
    ``stdout()`` stays readable), at the latest at the end of the interpreter.
    """

    directory: Path
    id: str
    secret: bytes
    kept: bool
    owner: int | None = None

    @classmethod
    def create(cls, directory: Path | None = None, *, owner: int | None = None) -> Session:
        """Make a new session: in *directory*, which must not exist or be empty and is kept; otherwise ephemeral.

        Args:
            directory: where; by default below :func:`sessions_directory`.
            owner: the uid that root's jobs run as and that must own the files, where that is not root; such a
                session is by default below the system's directory for temporary files, which that user can enter.

        Raises:
            CondorFuturesError: if *directory* is in use, or cannot be made.

        """
        identity = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        base = sessions_directory() if owner is None else Path(tempfile.gettempdir())
        path = Path(directory).absolute() if directory is not None else base / f"condor_futures-{identity}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=directory is not None)
            if any(path.iterdir()):
                raise CondorFuturesError(f"{path} is not empty; a new session needs a directory of its own")
            path.chmod(0o700)  # mkdir's mode is subject to the umask
        except OSError as error:
            raise CondorFuturesError(f"no session directory can be made at {path}: {error.strerror}") from error
        session = cls(path, identity, secrets.token_bytes(32), directory is not None, owner)
        session._make_directory(path)
        session._make_directory(path / "bundles")
        with session.create_file(session.event_log):
            pass
        about = {"id": identity, "secret": session.secret.hex(), "client": os.uname().nodename, "pid": os.getpid()}
        with session.create_file(path / "session.json") as file:
            file.write(json.dumps(about).encode())
        if directory is None:
            # Futures that outlive the interpreter's last frames would otherwise leave the directory behind.
            weakref.finalize(session, _remove, path, os.getpid())
        return session

    @property
    def event_log(self) -> Path:
        """The job event log that schedd and shadows write (submit command ``dagman_log``)."""
        return self.directory / "event_log"

    @property
    def runner(self) -> Path:
        """The executable of the jobs."""
        return self.directory / "runner"

    def bundle_directory(self, number: int) -> Path:
        """The directory of bundle *number*: ``initialdir`` of its job. It is made at first use."""
        path = self.directory / "bundles" / f"{number // BUNDLES_PER_DIRECTORY:03d}"
        self._make_directory(path)
        return path

    @staticmethod
    def bundle_key(number: int) -> str:
        """The key of bundle *number*, which names its files and its job.

        >>> Session.bundle_key(17)
        'b000017'
        """
        return f"b{number:06d}"

    @staticmethod
    def call_key(number: int) -> str:
        """The key of call *number*, counted in the order of submission.

        >>> Session.call_key(17)
        'c000017'
        """
        return f"c{number:06d}"

    def _make_directory(self, path: Path) -> None:
        if path == self.directory or not path.exists():
            path.mkdir(mode=0o700, exist_ok=True)
            if self.owner is not None:
                os.chown(path, self.owner, -1)

    @contextlib.contextmanager
    def create_file(self, path: Path) -> Iterator[BinaryIO]:
        """Write a file, mode 0600 from its first byte on, that has its name only once it is whole."""
        temporary = path.with_name(path.name + ".new")
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o600)) as file:
            try:
                if self.owner is not None:
                    os.fchown(file.fileno(), self.owner, -1)
                yield file
            except BaseException:
                temporary.unlink()
                raise
        temporary.rename(path)

    def write_runner(self, pythons: Iterable[str]) -> Path:
        """Pack the runner, to be started by the first of *pythons* that the execution point has."""
        with self.create_file(self.runner) as file:
            file.write(pack_runner(pythons))
        self.runner.chmod(0o700)
        return self.runner


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a child that was forked with a copy of the session
        shutil.rmtree(path, ignore_errors=True)


_HEADER = """\
#!/bin/sh
: >> "$1.outcomes"
for python in {pythons}; do
    command -v "$python" > /dev/null 2>&1 && exec "$python" -c '{boot}' "$0" "$1"
done
echo "no Python on this execution point: tried" {pythons} >&2
exit 127
"""


def pack_runner(pythons: Iterable[str]) -> bytes:
    r"""The jobs' executable: a few lines of shell that find a Python, then a zip file that this Python imports from.

    A zip file may have anything before it (the ``zipapp`` module documents it), so one file serves: HTCondor
    spools an executable once per cluster, but every input file once per job. The shell
    first makes the file of outcomes: where there is no Python, the job then ends with status 127 and its reason on
    stderr, rather than on hold for a missing output file.

    >>> pack_runner(["python3"]).startswith(b'#!/bin/sh\n: >> "$1.outcomes"\nfor python in python3; do')
    True
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        package = Path(cloudpickle.__file__).parent
        sources = {_RUNNER: Path(runner.__file__)}
        sources.update({f"cloudpickle/{path.stem}": path for path in package.glob("*.py")})
        for name, path in sources.items():
            file.write(path, f"{name}.py")
            file.writestr(f"{name}.pyc", _bytecode(path))
    header = _HEADER.format(boot=runner.BOOT, pythons=" ".join(map(shlex.quote, pythons)))
    return header.encode() + archive.getvalue()


_RUNNER = "condor_futures_runner"


def _bytecode(path: Path) -> bytes:
    """Compiled for this Python, marked as not to be checked against its source (PEP 552); others ignore it.

    Compiling cloudpickle anew in every job would cost 50 ms each.
    """
    loader = SourceFileLoader(path.stem, str(path))
    code = loader.get_code(path.stem)
    flags = (0b01).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + bytes(8) + marshal.dumps(code)
