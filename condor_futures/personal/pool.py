"""A personal pool: a whole HTCondor, for one user on one machine, started and stopped from Python.

Who keeps a pool alive: each process that uses it holds a share of ``users.lock``; whoever lets go last stops it, unless
it is persistent.  The kernel drops a dead process's share, so a pool whose users were all killed is an orphan, which
the next start in its directory takes over.  Starting, stopping, joining and leaving are serialised by a second lock,
``start.lock``: between finding that nobody else is there and acting on it, nobody can come.

``htcondor2.personal`` is not used.  In 25.14.1 it cannot start as root; it sets ``CONDOR_CONFIG`` in ``os.environ`` for
the whole process; merely importing it reads the machine's configuration; it looks once a second whether the daemons are
ready; its objects stop their pool when they are garbage collected, also one that others use; and it leaves most of what
makes jobs start quickly at defaults for large pools.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import final

from condor_futures.errors import CondorFuturesError, PersonalPoolError
from condor_futures.files.file_lock import FileLock
from condor_futures.files.private_files import check_place
from condor_futures.personal.configuration import PoolConfiguration
from condor_futures.personal.daemons import Daemons
from condor_futures.personal.files import PoolFiles, default_pool_directory
from condor_futures.personal.identity import Identity, RootMode
from condor_futures.personal.release import HTCondorRelease, find_htcondor

__all__ = ["PersonalPool", "PoolStatus"]

_TEMPORARY_PREFIX = "condor-futures-pool-"
_ORPHAN_TIMEOUT = 15.0  # s for a pool that was found running to answer
_LOCK_TIMEOUT = 90.0  # s for another process that starts or stops the pool


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """What a pool is doing.

    Attributes:
        directory: the pool's directory.
        running: whether its ``condor_master`` runs.
        pid: the process id of ``condor_master``, or ``None``.
        version: HTCondor's, or ``None`` when the pool does not run.
        persistent: whether it goes on running when nobody uses it.
        slots: cores offered, or ``None`` when the pool does not answer.
        users: how many users it has at the moment, in this process and others.
        jobs: number of jobs by state (``idle``, ``running``, ``held``, ...); empty when the pool does not answer.

    """

    directory: Path
    running: bool
    pid: int | None
    version: str | None
    persistent: bool
    slots: int | None
    users: int
    jobs: Mapping[str, int]


@final
class PersonalPool:
    """A personal HTCondor pool in a directory.

    >>> from condor_futures.personal import PersonalPool
    >>> with PersonalPool(slots=8) as pool:
    ...     queue = subprocess.check_output(["condor_q", "-totals"], env=pool.environment(), text=True)

    Nothing outside the directory is written, and this process's environment is never changed.  Several processes of
    the user who started it, and of nobody else, may use one pool; it ends with the last of them (see :meth:`close`).
    Linux only.

    Args:
        directory: where the pool lives; made if missing.  By default :func:`default_pool_directory`.
        release: the HTCondor to run; by default the one that :func:`find_htcondor` finds when the pool starts.
        config: further HTCondor settings.  They win over all others, and count when this object starts the pool, not
            when it finds one running.
        slots: cores that the pool offers; by default those that this process may use, but at least 4, so that a small
            machine runs a few jobs side by side too.  More than the machine has is allowed.
        root_mode: how root's daemons shed their rights: in a ``"user_namespace"`` (jobs may read root's files), or as
            root daemons with ``"condor_ids"`` (as on a real site: there directory and release must be where everybody
            may enter); ``"auto"`` takes the first where the kernel allows it.
        temporary: the pool gets a fresh directory, which is removed when it stops; if its users were killed, when the
            next temporary pool starts.

    """

    def __init__(
        self,
        directory: Path | str | None = None,
        *,
        release: HTCondorRelease | None = None,
        config: Mapping[str, str] | None = None,
        slots: int | None = None,
        root_mode: RootMode = "auto",
        temporary: bool = False,
    ) -> None:
        if temporary and directory is not None:
            raise ValueError("A temporary pool makes its own directory: pass either directory or temporary.")
        self._directory = None if temporary else Path(directory or default_pool_directory()).absolute()
        self._temporary = temporary
        self._release = release
        self._config = dict(config or {})
        self._slots = slots
        self._root_mode: RootMode = root_mode
        self._share: FileLock | None = None  # of users.lock; not None: this object uses the pool
        self._user_pid = 0  # the process that took the share; a forked child is not a user

    @classmethod
    def attach(cls, directory: Path | str | None = None) -> PersonalPool:
        """Use the pool that runs in that directory; it is not started.

        Raises:
            PersonalPoolError: none runs there, or it does not answer.

        """
        pool = cls(directory)
        pool._check_running()  # where no pool ever was, there is no lock to wait for
        pool._use(start=False, timeout=_ORPHAN_TIMEOUT)
        return pool

    def start(self, *, persistent: bool = False, timeout: float = 60.0) -> PersonalPool:
        """Use the pool that runs in the directory, or start one; returns when it is ready for jobs, after about 3 s.

        Args:
            persistent: the pool goes on when nobody uses it, until :meth:`stop`.
            timeout: seconds to wait for it to be ready.

        Returns:
            The pool itself.

        Raises:
            PersonalPoolError: there is no HTCondor, or the daemons do not start (with the last lines of their log).

        """
        if not sys.platform.startswith("linux"):
            raise PersonalPoolError(
                f"Personal pools need Linux, and this is {sys.platform}; use a remote access point."
            )
        self._make_directory()
        self._use(start=True, timeout=timeout)
        if persistent:
            self._files.persistent.touch()
        return self

    def close(self) -> None:
        """Stop using the pool; the last of its users stops it, unless it is persistent.

        Called when the interpreter exits too, so also after Ctrl-C.
        """
        if self._share is None:
            return
        try:
            # A forked child has a copy of its parent's share; to close the copy leaves the parent its share.
            if self._user_pid == os.getpid() and self.directory.exists():
                with self._alone():
                    self._stop_if_unused(self._share)
        finally:
            self._leave()

    def stop(self) -> None:
        """Stop the pool, whoever uses it; no process of it remains, its files do.  Its jobs stay in the queue.

        Raises:
            PersonalPoolError: a process of it does not end.

        """
        if self._directory is not None and self._directory.exists():
            with self._alone():
                self._stop()
        self._leave()

    @property
    def in_use(self) -> bool:
        """A program uses it; one that :meth:`start` made persistent runs without any."""
        if not self._files.users_lock.exists():
            return False
        with contextlib.closing(FileLock(self._files.users_lock)) as share:
            return not share.try_exclusive()

    def environment(self) -> dict[str, str]:
        """A copy of this process's environment in which HTCondor's tools and bindings use this pool.

        Raises:
            PersonalPoolError: there is no HTCondor.

        """
        return self._daemons.environment()

    def status(self) -> PoolStatus:
        """What the pool is doing, asked of the pool in about 30 ms; this does not start, stop or use it."""
        master = self._files.master()
        slots, jobs = None, {}
        if master:
            with contextlib.suppress(PersonalPoolError):
                cores = self._daemons.ask("condor_status", "-constraint", "PartitionableSlot", "-af", "TotalSlotCpus")
                totals = self._daemons.ask("condor_q", "-allusers", "-totals")
                slots = sum(int(number) for number in cores.split())
                # Total for all users: 3 jobs; 0 completed, 0 removed, 2 idle, 1 running, 0 held, 0 suspended
                jobs = {state: int(number) for number, state in re.findall(r"(\d+) ([a-z]+)(?=,|\n|$)", totals)}
        return PoolStatus(
            directory=self.directory,
            running=master is not None,
            pid=master.pid if master else None,
            version=self.release.version if master else None,
            persistent=self._files.persistent.exists(),
            slots=slots,
            users=self._files.count_users(),
            jobs=jobs,
        )

    @property
    def directory(self) -> Path:
        """The pool's directory; a temporary pool has one from its start on."""
        if self._directory is None:
            raise PersonalPoolError("A temporary pool has no directory before it is started.")
        return self._directory

    @property
    def config_file(self) -> Path:
        """The pool's ``condor_config``, the value for the environment variable ``CONDOR_CONFIG``."""
        return self._files.config

    @property
    def release(self) -> HTCondorRelease:
        """The HTCondor that the pool runs; when it does not run, the one that it would run.

        Raises:
            PersonalPoolError: there is none.

        """
        record = self._files.read_record() if self._directory else None
        if record and record.master.is_alive:
            return record.release
        if self._release is None:
            self._release = find_htcondor()
        if self._release is None:
            raise PersonalPoolError(
                "There is no HTCondor (condor_master) on PATH; put one there, or get one with "
                "`condor-futures pool install`."
            )
        return self._release

    @property
    def is_running(self) -> bool:
        """Whether the pool's ``condor_master`` runs, whoever started it."""
        return self.master_pid is not None

    @property
    def master_pid(self) -> int | None:
        """The process id of the pool's ``condor_master``, or ``None``."""
        master = self._files.master() if self._directory else None
        return master.pid if master else None

    @property
    def job_owner(self) -> int | None:
        """The uid that the pool's jobs run as, where it is not that of the pool's user: in root's ``condor_ids``
        mode.
        """
        owner = (self.directory / "spool").stat().st_uid
        return owner if owner != os.geteuid() else None

    def __enter__(self) -> PersonalPool:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "temporary=True" if self._directory is None else repr(str(self._directory))
        return f"PersonalPool({where})"

    @property
    def _files(self) -> PoolFiles:
        return PoolFiles(self.directory)

    @property
    def _daemons(self) -> Daemons:
        return Daemons(self._files, self.release)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts, stops, joins or leaves the pool meanwhile."""
        with contextlib.closing(FileLock(self._files.start_lock)) as lock:
            if not lock.wait_exclusive(_LOCK_TIMEOUT):
                raise PersonalPoolError(
                    f"Another process has been starting or stopping the personal pool in {self.directory} for too long."
                )
            yield

    def _make_directory(self) -> None:
        mode = 0o700 if Identity.choose(self._root_mode).owner is None else 0o755
        if self._temporary and (self._directory is None or not self._directory.exists()):
            _remove_orphans()
            self._directory = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))
            self._files.temporary.touch()
        elif not self.directory.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
        else:
            return  # somebody else's choice of mode
        self.directory.chmod(mode)

    def _check_place(self) -> None:
        """Who can change the configuration here decides what the daemons run, and for whom."""
        try:
            check_place(self.directory, Identity.choose(self._root_mode).owner, "a personal pool")
        except CondorFuturesError as error:
            raise PersonalPoolError(str(error)) from None

    def _use(self, *, start: bool, timeout: float) -> None:
        self._check_place()
        deadline = time.monotonic() + timeout
        if self._user_pid != os.getpid():
            self._leave()  # a forked child that becomes a user itself needs a share of its own
        with self._alone():
            # An object that is a user already may have lost its pool; its share must not count against itself.
            share = FileLock(self._files.users_lock) if self._share is None else self._share
            try:
                nobody_else = share.try_exclusive()
                share.share()
                if not start:
                    self._check_running()
                if not self._answers(may_replace=start and nobody_else, deadline=deadline):
                    self._start(deadline)
            except BaseException:
                share.close()
                self._share = None
                raise
            if self._share is None:
                atexit.register(self.close)
            self._share, self._user_pid = share, os.getpid()

    def _check_running(self) -> None:
        if not self.is_running:
            raise PersonalPoolError(f"No personal pool runs in {self.directory}; start one there first.")

    def _answers(self, *, may_replace: bool, deadline: float) -> bool:
        """Whether a pool runs here and can be used; raises if one runs that cannot be used, nor replaced."""
        master = self._files.master()
        if master is None:
            return False
        # It may still be on its way, when the process that was starting it was killed.
        if self._daemons.wait_until_ready(master, min(deadline, time.monotonic() + _ORPHAN_TIMEOUT)):
            return True
        if not may_replace:
            raise PersonalPoolError(f"The personal pool in {self.directory} runs but does not answer; stop it first.")
        return False

    def _start(self, deadline: float) -> None:
        # Of a broken pool daemons may be left, which hold its files, and files that tell of it.
        self._daemons.stop()
        identity = Identity.choose(self._root_mode)
        slots = self._slots or max(4, len(os.sched_getaffinity(0)))
        configuration = PoolConfiguration(
            self.directory, self.release, slots, identity.user, identity.condor_ids, self._config
        )
        self._daemons.start(identity, configuration, deadline)

    def _stop_if_unused(self, share: FileLock) -> None:
        if share.try_exclusive() and not self._files.persistent.exists():
            self._stop()

    def _stop(self) -> None:
        self._daemons.stop()
        if self._files.temporary.exists():
            shutil.rmtree(self.directory)

    def stop_unless_used(self) -> None:
        """Stop the pool if no process has a share of it; for pools whose users were killed."""
        with self._alone(), contextlib.closing(FileLock(self._files.users_lock)) as share:
            self._stop_if_unused(share)

    def _leave(self) -> None:
        atexit.unregister(self.close)
        if self._share is not None:
            self._share.close()
            self._share = None


def _remove_orphans() -> None:
    """Stop the temporary pools whose users were all killed: nobody will start them again."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY_PREFIX}*"):
        # Without a record its maker has not come as far as taking its share.
        with contextlib.suppress(OSError, PersonalPoolError):
            if directory.lstat().st_uid == os.geteuid() and PoolFiles(directory).read_record():
                PersonalPool(directory).stop_unless_used()
