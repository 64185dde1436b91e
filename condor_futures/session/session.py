"""A session: the files that one executor keeps on disk, the process that holds them, and their lifetime."""

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
from condor_futures.options.ship import Code
from condor_futures.session.finding import find_directory, sessions_directory, usual_directories
from condor_futures.session.lifetime import Disposal, check_empty, runs
from condor_futures.session.names import SessionNames
from condor_futures.session.record import SECRET_SIZE, SessionRecord
from condor_futures.session.shared_objects import SharedObjects

__all__ = ["Session", "own_sessions"]


@dataclass(eq=False)
class Session(SessionNames):
    """The files that one executor keeps on disk.

    An ephemeral session is removed when the last reference to it is gone, at the latest when the interpreter exits.
    The futures keep a reference, so that their ``stdout()`` stays readable.
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
        """Create a session. It is kept if *directory* is given, otherwise ephemeral.

        Args:
            directory: the session's directory, which must be empty or not exist; by default below
                :func:`sessions_directory`.
            settings: settings for a client that attaches later, as JSON values.
            owner: the uid that root's jobs run as and that must own the files; None if that is the client's own user. A
                session with an *owner* is by default below the system's directory for temporary files, which that user
                can enter.

        Raises:
            CondorFuturesError: *directory* is in use or cannot be made, or others could put another in its place.

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
            # An existing directory may belong to another user, or be another user's link; so would the files in it.
            check_place(path)
            check_empty(path)
            path.chmod(0o700)
            check_empty(path)  # again: until the chmod, others might have put files there
        except CondorFuturesError:
            if fresh:
                path.rmdir()
            raise
        except OSError as error:
            raise CondorFuturesError(f"the session directory {path} cannot be created: {error.strerror}") from error
        kept = directory is not None
        session = cls(path, SessionRecord(identity, secrets.token_bytes(SECRET_SIZE), kept, owner, dict(settings)))
        try:
            session._fill()
        except BaseException as error:
            session._clear(directory_too=fresh)
            if isinstance(error, OSError):
                raise CondorFuturesError(f"a session cannot be created in {path}: {error.strerror}") from error
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
        """Undo :meth:`_fill`, which may have failed at any step."""
        self.leave()
        shutil.rmtree(self.bundles, ignore_errors=True)
        with contextlib.suppress(OSError):
            for path in (self.event_log, self.lock.path, self.record_file):
                path.unlink(missing_ok=True)
            if directory_too:
                self.directory.rmdir()

    def take_up(self, timeout: float) -> None:
        """Hold a session that its client left, and prepare it for use; see :meth:`open`.

        Args:
            timeout: seconds to wait for the processes of its last client to exit.

        Raises:
            CondorFuturesError: another process holds the session, or its directory cannot be written.

        """
        try:
            self.hold(timeout)
            try:
                self._renew()
            except BaseException:
                self.lock.release()  # or nobody could attach to the session before this process exits
                raise
        except OSError as error:
            raise self._cannot_be_opened(error) from error

    def hold(self, timeout: float) -> None:
        """Lock the session, so that no other process can attach; nothing is written, because the disk may be full.

        Args:
            timeout: seconds to wait for the processes of its last client to exit.

        Raises:
            CondorFuturesError: another process holds the session.

        """
        here = self.record.client == os.uname().nodename
        try:
            held = self.lock.acquire(0.0 if not here or runs(self.record.pid) else timeout)
        except OSError as error:
            raise self._cannot_be_opened(error) from error
        if not held:
            if here and self.record.pid == self.lock.holder == os.getpid():
                raise CondorFuturesError(
                    f"the session {self.id} is in use in this process; shut down or detach its executor first"
                )
            raise CondorFuturesError(
                f"the session {self.id} is in use by the process {self.record.pid} on {self.record.client}; "
                "that process must exit, or call detach(), first"
            )

    def _cannot_be_opened(self, error: OSError) -> CondorFuturesError:
        why = error.strerror or error
        return CondorFuturesError(f"the session {self.id} cannot be opened: {self.directory}: {why}")

    def _renew(self) -> None:
        for path in self.directory.glob("*.new"):
            path.unlink()  # the last client exited while it wrote this file
        if not self.event_log.exists():
            with self.create_file(self.event_log):
                pass
        elif not self.event_log.is_file():
            raise OSError(f"{self.event_log.name} is not a regular file")
        self._sign()
        self._go_with_the_last_reference()

    def keep(self, **settings: Any) -> None:
        """Add *settings*, which must be JSON values, to the record for a client that attaches later.

        Raises:
            CondorFuturesError: the record cannot be written.

        """
        self.record = self.record.with_settings(**settings)
        try:
            self._sign()
        except OSError as error:
            raise CondorFuturesError(f"{self.record_file} cannot be written: {error.strerror or error}") from error

    def _sign(self, *, finished: bool = False) -> None:
        """Write the record with this process as the one that uses the session."""
        self.record = self.record.signed(finished=finished)
        # The record always belongs to the client's user, even if the other files belong to the jobs' owner: read()
        # trusts only that user.
        with self.create_file(self.record_file, give=False) as file:
            file.write(self.record.encode())

    def _go_with_the_last_reference(self) -> None:
        if not self.kept:
            self._disposal = Disposal(self, self.directory, self.lock)

    def give_to(self, owner: int) -> None:
        """Change the owner of all files that jobs use to the uid *owner*, which root's jobs run as."""
        for path in [self.directory, *self.directory.rglob("*")]:
            if path != self.record_file:  # which must belong to the client's user
                os.chown(path, owner, -1, follow_symlinks=False)
        self.record = replace(self.record, owner=owner)
        self._sign()

    def finish(self) -> None:
        """Mark a kept session as finished and unlock it; any process may then attach to it or remove it."""
        if self.kept:
            with contextlib.suppress(OSError):  # the directory may have been removed
                self._sign(finished=True)
            self.lock.release()

    def leave(self) -> None:
        """Keep the session and unlock it, so that another process can attach."""
        self.stay()
        self.lock.release()

    def dispose(self) -> None:
        """Remove the session now if it is ephemeral."""
        if self._disposal is not None:
            self._disposal.now()

    def stay(self) -> None:
        """Keep the directory when the last reference to the session is gone; this process still holds the session."""
        if self._disposal is not None:
            self._disposal.cancel()

    def remove(self) -> None:
        """Unlock the session and remove its directory."""
        self.leave()
        shutil.rmtree(self.directory, ignore_errors=True)

    @classmethod
    def open(cls, directory: Path) -> Session:
        """Return the session that this user made in *directory*.

        Raises:
            CondorFuturesError: see :meth:`SessionRecord.read`.

        """
        path = Path(directory).absolute()
        return cls(path, SessionRecord.read(path))

    @classmethod
    def find(cls, name: object) -> Session:
        """Return the session in the directory *name*, or with the id *name* in the default places.

        Raises:
            CondorFuturesError: there is no such session; or see :meth:`open`.
            TypeError: *name* is neither a directory nor an id.

        """
        return cls.open(find_directory(name))

    @classmethod
    def of_file(cls, path: Path) -> Session:
        """Return the session that contains the file *path* of a bundle.

        Raises:
            CondorFuturesError: see :meth:`open`.

        """
        return cls.open(path.resolve().parent.parent.parent)  # SESSION/bundles/000/FILE

    @property
    def id(self) -> str:
        """The id of the session, also as an attribute of its jobs."""
        return self.record.id

    @property
    def secret(self) -> bytes:
        """The secret that authenticates the session's files."""
        return self.record.secret

    @property
    def kept(self) -> bool:
        """Whether the session stays when the last reference to it is gone."""
        return self.record.kept

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the session's executor."""
        return self.record.settings

    @property
    def constraint(self) -> str:
        """The constraint that selects the session's jobs, in the queue and in the history."""
        return self.record.constraint

    @cached_property
    def lock(self) -> SessionLock:
        """The lock that the process using the session holds."""
        return SessionLock(self.lock_file)

    @cached_property
    def shared(self) -> SharedObjects:
        """The objects that calls of the session share."""
        return SharedObjects(self)

    def bundle_directory(self, number: int) -> Path:
        """Return the directory of bundle *number*; make it at first use."""
        path = self.directory_of_bundle(number)
        self._make_directory(path)
        return path

    def objects_directory(self) -> Path:
        """Return the directory of shared objects; make it at first use."""
        self._make_directory(self.objects)
        return self.objects

    def environments_directory(self) -> Path:
        """Return the directory of Python environments; make it at first use."""
        self._make_directory(self.environments)
        return self.environments

    def line_directory(self, key: str) -> Path:
        """Make the directory that the warm job of the open bundle *key* may use."""
        self._make_directory(self.lines)
        path = self.lines / key
        self._make_directory(path)
        return path

    def stream_directory(self, key: str) -> Path:
        """Make the directory in which the job of the closed bundle *key* writes outcomes as its calls end."""
        self._make_directory(self.streams)
        path = self.streams / key
        self._make_directory(path)
        return path

    def _make_directory(self, path: Path) -> None:
        if path == self.directory or not path.exists():
            make_directory(path, 0o700)
            if self.record.owner is not None:
                os.chown(path, self.record.owner, -1)

    @contextlib.contextmanager
    def create_file(self, path: Path, *, give: bool = True, temporary: Path | None = None) -> Iterator[BinaryIO]:
        """Write a file that gets its name only when it is complete; its mode is 0600 from the first byte on.

        With *give* the file belongs to the jobs' owner, if the session has one. Its *temporary* name has the suffix
        ``.new``.
        """
        temporary = temporary or path.with_name(path.name + ".new")
        with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o600)) as file:
            try:
                os.fchmod(file.fileno(), 0o600)  # the umask may have taken more
                if give and self.record.owner is not None:
                    os.fchown(file.fileno(), self.record.owner, -1)
                yield file
                file.flush()  # inside the try: if the disk is full, the incomplete file is removed
            except BaseException:
                temporary.unlink()
                raise
        temporary.rename(path)

    def write_runner(self, code: Code | None = None, modules: bytes | None = None) -> Path:
        """Write the packed runner, and return its path.

        Args:
            code: the modules that it has; None for none.
            modules: these modules.

        Raises:
            CondorFuturesError: the runner cannot be written.

        """
        try:
            with self.create_file(self.runner_with(code)) as file:
                # Before the file gets its name: after an attach, jobs may start at any moment.
                os.fchmod(file.fileno(), 0o700)
                file.write(pack_runner(modules=modules, environments=self.environments))
        except OSError as error:
            raise CondorFuturesError(
                f"the session {self.directory} cannot be written to: {error.strerror or error}"
            ) from error
        return self.runner_with(code)

    def copy_runner(self, directory: Path, code: Code | None) -> None:
        """Write a copy of the runner with the modules *code* for a job that can write to *directory*.

        Raises:
            OSError: it cannot be written.

        """
        runner = self.runner_with(code)
        with self.create_file(directory / runner.name) as file:
            os.fchmod(file.fileno(), 0o700)
            file.write(runner.read_bytes())


def own_sessions() -> Iterator[Session]:
    """Yield this user's sessions in the default places."""
    for path in usual_directories():
        with contextlib.suppress(CondorFuturesError):  # another user's session, or one that has just been removed
            yield Session.open(path)
