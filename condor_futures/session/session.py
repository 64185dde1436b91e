"""A session: what one executor keeps on disk, who works on it, and how long it stays."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from condor_futures.errors import CondorFuturesError
from condor_futures.execution_point.packing import pack_runner
from condor_futures.files.private_files import check_place, make_directory
from condor_futures.files.process_lock import SessionLock
from condor_futures.session.finding import find_directory, sessions_directory, usual_directories
from condor_futures.session.lifetime import Disposal, check_empty, runs
from condor_futures.session.names import SessionNames
from condor_futures.session.record import SECRET_SIZE, SessionRecord

__all__ = ["Session", "own_sessions"]


@dataclass(eq=False)
class Session(SessionNames):
    """The names of everything that one executor keeps on disk.

    An ephemeral session is removed when the last reference to it is gone (the futures keep one, so that their
    ``stdout()`` stays readable), at the latest at the end of the interpreter.
    """

    directory: Path
    record: SessionRecord
    _disposal: Disposal | None = field(default=None, init=False)

    @classmethod
    def create(
        cls,
        directory: Path | None = None,
        *,
        owner: int | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> Session:
        """Make a new session: in *directory*, which must not exist or be empty and is kept; otherwise ephemeral.

        Args:
            directory: where; by default below :func:`sessions_directory`.
            settings: for whoever takes it up again; what JSON can hold.
            owner: the uid that root's jobs run as and that must own the files, where that is not root; such a
                session is by default below the system's directory for temporary files, which that user can enter.

        Raises:
            CondorFuturesError: if *directory* is in use, or cannot be made, or others could put another in its place.

        """
        identity = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        base = sessions_directory() if owner is None else Path(tempfile.gettempdir())
        path = Path(directory).absolute() if directory is not None else base / f"condor_futures-{identity}"
        fresh = directory is None or not path.exists()
        try:
            if fresh:
                make_directory(path.parent, 0o755)
                path.mkdir(mode=0o700)
                path.chmod(0o700)  # mkdir's mode is subject to the umask
            # What was there may be another's, or a link of another's, and so would be what is written there.
            check_place(path)
            check_empty(path)
            path.chmod(0o700)
            check_empty(path)  # again: until now, others might have put something there
        except CondorFuturesError:
            if fresh:
                path.rmdir()
            raise
        except OSError as error:
            raise CondorFuturesError(f"no session directory can be made at {path}: {error.strerror}") from error
        kept = directory is not None
        session = cls(path, SessionRecord(identity, secrets.token_bytes(SECRET_SIZE), kept, owner, dict(settings)))
        try:
            session._fill()
        except BaseException as error:
            session._clear(directory_too=fresh)
            if isinstance(error, OSError):
                raise CondorFuturesError(f"no session can be made at {path}: {error.strerror}") from error
            raise
        return session

    def _fill(self) -> None:
        self._make_directory(self.directory)
        self._make_directory(self.bundles)
        with self.create_file(self.event_log):
            pass
        self.lock.acquire()
        self._sign()
        self._go_with_the_last_reference()

    def _clear(self, *, directory_too: bool) -> None:
        """Take back what :meth:`_fill` did, as far as it came."""
        self.leave()
        shutil.rmtree(self.bundles, ignore_errors=True)
        with contextlib.suppress(OSError):
            for path in (self.event_log, self.lock.path, self.record_file):
                path.unlink(missing_ok=True)
            if directory_too:
                self.directory.rmdir()

    def take_up(self, timeout: float) -> None:
        """Work on a session that was left; see :meth:`open`.

        Args:
            timeout: seconds for what is left of its last client to end.

        Raises:
            CondorFuturesError: if another process works on it, or nothing can be written there.

        """
        try:
            self.hold(timeout)
            try:
                self._renew()
            except BaseException:
                self.lock.release()  # or nobody could take it up for as long as this process lives
                raise
        except OSError as error:
            raise self._cannot_be_taken_up(error) from error

    def hold(self, timeout: float) -> None:
        """Keep others from taking it up, without a word of that on its disk, which may be full.

        Args:
            timeout: seconds for what is left of its last client to end.

        Raises:
            CondorFuturesError: if another process works on it.

        """
        here = self.record.client == os.uname().nodename
        try:
            held = self.lock.acquire(0.0 if not here or runs(self.record.pid) else timeout)
        except OSError as error:
            raise self._cannot_be_taken_up(error) from error
        if not held:
            if here and self.record.pid == self.lock.holder == os.getpid():
                raise CondorFuturesError(
                    f"the session {self.id} is in use in this process; shut its executor down, or detach() it, first"
                )
            raise CondorFuturesError(
                f"the session {self.id} is in use by the process {self.record.pid} on {self.record.client}; "
                "that has to end, or to detach() from it, first"
            )

    def _cannot_be_taken_up(self, error: OSError) -> CondorFuturesError:
        why = error.strerror or error
        return CondorFuturesError(f"the session {self.id} cannot be taken up: {self.directory}: {why}")

    def _renew(self) -> None:
        for path in self.directory.glob("*.new"):
            path.unlink()  # it was being written when the last client ended
        if not self.event_log.exists():
            with self.create_file(self.event_log):
                pass
        elif not self.event_log.is_file():
            raise OSError(f"{self.event_log.name} is not a regular file")
        self._sign()
        self._go_with_the_last_reference()

    def keep(self, **settings: Any) -> None:
        """Keep *settings* too, for whoever takes it up again; what JSON can hold.

        Raises:
            CondorFuturesError: if they cannot be written.

        """
        self.record = self.record.with_settings(**settings)
        try:
            self._sign()
        except OSError as error:
            raise CondorFuturesError(f"{self.record_file} cannot be written: {error.strerror or error}") from error

    def _sign(self, *, finished: bool = False) -> None:
        """Say who is at work on it."""
        self.record = self.record.signed(finished=finished)
        # The client's own, also where all else is given to the jobs' owner: to be trusted by its owner alone (read).
        with self.create_file(self.record_file, give=False) as file:
            file.write(self.record.encode())

    def _go_with_the_last_reference(self) -> None:
        if not self.kept:
            self._disposal = Disposal(self, self.directory, self.lock)

    def give_to(self, owner: int) -> None:
        """Make all that jobs use belong to the user with the uid *owner*, as whom root's jobs run."""
        for path in [self.directory, *self.directory.rglob("*")]:
            if path != self.record_file:  # which must stay its user's own
                os.chown(path, owner, -1, follow_symlinks=False)
        self.record = replace(self.record, owner=owner)
        self._sign()

    def finish(self) -> None:
        """Say that its work is done; whoever wants may take it up, or remove it."""
        if self.kept:
            with contextlib.suppress(OSError):  # its directory may have been removed
                self._sign(finished=True)
            self.lock.release()

    def leave(self) -> None:
        """Let another process take it up; it is not removed."""
        self.stay()
        self.lock.release()

    def dispose(self) -> None:
        """Remove it now, if it was to go with the last reference to it."""
        if self._disposal is not None:
            self._disposal.now()

    def stay(self) -> None:
        """Have its directory stay when the last reference to it is gone; it is still this process's."""
        if self._disposal is not None:
            self._disposal.cancel()

    def remove(self) -> None:
        """Remove its directory."""
        self.leave()
        shutil.rmtree(self.directory, ignore_errors=True)

    @classmethod
    def open(cls, directory: Path) -> Session:
        """The session that this user made in *directory*.

        Raises:
            CondorFuturesError: as :meth:`SessionRecord.read`.

        """
        path = Path(directory).absolute()
        return cls(path, SessionRecord.read(path))

    @classmethod
    def find(cls, name: object) -> Session:
        """The session in the directory *name*, or of the id *name* in the usual places.

        Raises:
            CondorFuturesError: if there is none, or as :meth:`open`.
            TypeError: if *name* is neither.

        """
        return cls.open(find_directory(name))

    @classmethod
    def of_file(cls, path: Path) -> Session:
        """The session that a file of a bundle is in.

        Raises:
            CondorFuturesError: as :meth:`open`.

        """
        return cls.open(path.resolve().parent.parent.parent)  # SESSION/bundles/000/FILE

    @property
    def id(self) -> str:
        """Its name, in the queue too."""
        return self.record.id

    @property
    def secret(self) -> bytes:
        """What authenticates its files."""
        return self.record.secret

    @property
    def kept(self) -> bool:
        """Whether it stays when the last reference to it is gone."""
        return self.record.kept

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of its executor."""
        return self.record.settings

    @property
    def constraint(self) -> str:
        """Selects its jobs, in the queue and in the history."""
        return self.record.constraint

    @cached_property
    def lock(self) -> SessionLock:
        """Held by who is at work on the session."""
        return SessionLock(self.lock_file)

    def bundle_directory(self, number: int) -> Path:
        """The directory of bundle *number*, which is made at first use."""
        path = self.directory_of_bundle(number)
        self._make_directory(path)
        return path

    def _make_directory(self, path: Path) -> None:
        if path == self.directory or not path.exists():
            make_directory(path, 0o700)
            if self.record.owner is not None:
                os.chown(path, self.record.owner, -1)

    @contextlib.contextmanager
    def create_file(self, path: Path, *, give: bool = True) -> Iterator[BinaryIO]:
        """Write a file, mode 0600 from its first byte on, that has its name only once it is whole.

        With *give* it is given to the jobs' owner, where that is somebody else.
        """
        temporary = path.with_name(path.name + ".new")
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o600)) as file:
            try:
                os.fchmod(file.fileno(), 0o600)  # the umask may have taken more
                if give and self.record.owner is not None:
                    os.fchown(file.fileno(), self.record.owner, -1)
                yield file
                file.flush()  # here, where what a full disk leaves of it is removed
            except BaseException:
                temporary.unlink()
                raise
        temporary.rename(path)

    def write_runner(self) -> Path:
        """Pack the runner.

        Raises:
            CondorFuturesError: if it cannot be written.

        """
        try:
            with self.create_file(self.runner) as file:
                # Before it has its name: where a session is taken up, jobs may start at any moment.
                os.fchmod(file.fileno(), 0o700)
                file.write(pack_runner())
        except OSError as error:
            raise CondorFuturesError(
                f"the session {self.directory} cannot be written to: {error.strerror or error}"
            ) from error
        return self.runner


def own_sessions() -> Iterator[Session]:
    """Those of this user in the usual places."""
    for path in usual_directories():
        with contextlib.suppress(CondorFuturesError):  # it is not ours, or has just been removed
            yield Session.open(path)
