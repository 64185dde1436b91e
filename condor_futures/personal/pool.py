"""A personal pool: a complete HTCondor for one user on one machine, started and stopped from Python.

Lifetime: each process that uses a pool holds a share of ``users.lock``. The process that releases the last share stops
the pool, unless the pool is persistent. The kernel releases the share of a killed process. So a pool whose users were
all killed is an orphan, and the next start in its directory takes it over. A second lock, ``start.lock``, serialises
starting, stopping, joining and leaving: no user can join between the check that there is none and the stop.

``htcondor2.personal`` is not used, because in 25.14.1 it has these defects. It cannot start as root. It sets
``CONDOR_CONFIG`` in ``os.environ`` for the whole process. Importing it reads the machine's configuration. It checks
only once a second whether the daemons are ready. Its objects stop their pool when they are garbage collected, even if
others use the pool. It leaves most settings that make jobs start quickly at defaults for large pools.
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
    """The status of a pool.

    Attributes:
        directory: the pool's directory.
        running: whether its ``condor_master`` runs.
        pid: the process id of ``condor_master``, or ``None``.
        version: the version of HTCondor, or ``None`` if the pool does not run.
        persistent: whether the pool continues to run without users.
        slots: the number of cores that the pool offers, or ``None`` if the pool does not respond.
        users: the number of its users at the moment, in this process and others.
        jobs: the number of jobs by state (``idle``, ``running``, ``held``, ...); empty if the pool does not respond.

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

    The pool writes only to its directory, and never changes the environment of your process. Several processes may use
    the pool, but only processes of the user who started it. The pool stops when its last user leaves (see
    :meth:`close`). Personal pools run only on Linux.

    Args:
        directory: the pool's directory, made if it does not exist; by default :func:`default_pool_directory`.
        release: the HTCondor to run; by default the one that :func:`find_htcondor` finds when the pool starts.
        config: further HTCondor settings, which take precedence over all others. They apply if this object starts the
            pool, but not if the pool is already running.
        slots: the number of cores that the pool offers; by default the cores that this process may use, but at least
            4, so that a small machine also runs a few jobs at the same time. It may be more than the machine has.
        root_mode: how root's daemons drop their privileges: in a ``"user_namespace"`` (jobs may read root's files), or
            as root daemons with ``"condor_ids"`` (as on a real site; directory and release must then be in a place that
            everybody can enter). ``"auto"`` uses a user namespace if the kernel allows it.
        temporary: make a new directory for the pool, and remove it when the pool stops. If the pool's users were
            killed, the directory is removed when the next temporary pool starts.

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
            raise ValueError("A temporary pool makes its own directory; pass either directory or temporary.")
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
        """Use the pool that runs in *directory*; do not start one.

        Raises:
            PersonalPoolError: no pool runs there, or it does not respond.

        """
        pool = cls(directory)
        pool._check_running()  # where no pool ever was, there is no lock to wait for
        pool._use(start=False, timeout=_ORPHAN_TIMEOUT)
        return pool

    def start(self, *, persistent: bool = False, timeout: float = 60.0) -> PersonalPool:
        """Use the pool that runs in the directory, or start one.

        Returns when the pool is ready for jobs, after about 3 s.

        Args:
            persistent: let the pool run without users, until :meth:`stop`.
            timeout: seconds to wait until the pool is ready.

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
        """Stop using the pool; its last user stops the pool, unless it is persistent.

        This is also called when the interpreter exits, including after Ctrl-C.
        """
        if self._share is None:
            return
        try:
            # A forked child has a copy of its parent's share. Closing the copy does not release the parent's share.
            if self._user_pid == os.getpid() and self.directory.exists():
                with self._alone():
                    self._stop_if_unused(self._share)
        finally:
            self._leave()

    def stop(self) -> None:
        """Stop all processes of the pool, even if others use it; its files, and the jobs in its queue, remain.

        Raises:
            PersonalPoolError: one of its processes does not exit.

        """
        if self._directory is not None and self._directory.exists():
            with self._alone():
                self._stop()
        self._leave()

    @property
    def in_use(self) -> bool:
        """Whether a program uses the pool. A persistent pool also runs without users."""
        if not self._files.users_lock.exists():
            return False
        with contextlib.closing(FileLock(self._files.users_lock)) as share:
            return not share.try_exclusive()

    def environment(self) -> dict[str, str]:
        """Return a copy of this process's environment in which HTCondor's tools and bindings use this pool.

        Raises:
            PersonalPoolError: there is no HTCondor.

        """
        return self._daemons.environment()

    def status(self) -> PoolStatus:
        """Query the pool's status, in about 50 ms; this does not start, stop or use the pool."""
        master = self._files.master()
        slots, jobs = None, {}
        if master:
            with contextlib.suppress(PersonalPoolError):
                cores = self._daemons.ask("condor_status", "-constraint", "PartitionableSlot", "-af", "TotalSlotCpus")
                totals = self._daemons.ask_queue("-allusers", "-totals")
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
        """The pool's directory; a temporary pool has none before its start."""
        if self._directory is None:
            raise PersonalPoolError("A temporary pool has no directory before it is started.")
        return self._directory

    @property
    def config_file(self) -> Path:
        """The pool's ``condor_config``, the value for the environment variable ``CONDOR_CONFIG``."""
        return self._files.config

    @property
    def release(self) -> HTCondorRelease:
        """The HTCondor that the pool runs, or would run if it were started.

        Raises:
            PersonalPoolError: there is no HTCondor.

        """
        record = self._files.read_record() if self._directory else None
        if record and record.master.is_alive:
            return record.release
        if self._release is None:
            self._release = find_htcondor()
        if self._release is None:
            raise PersonalPoolError(
                "There is no HTCondor (condor_master) on PATH; add one to PATH, or install one with "
                "`condor-futures pool install`."
            )
        return self._release

    @property
    def is_running(self) -> bool:
        """Whether the pool's ``condor_master`` runs, even if another process started it."""
        return self.master_pid is not None

    @property
    def master_pid(self) -> int | None:
        """The process id of the pool's ``condor_master``; ``None`` if it does not run."""
        master = self._files.master() if self._directory else None
        return master.pid if master else None

    @property
    def job_owner(self) -> int | None:
        """The uid that the pool's jobs run as in root's ``condor_ids`` mode; otherwise None, the pool's own user."""
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
        """Prevent other processes from starting, stopping, joining or leaving the pool during the ``with`` block."""
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
        """Check the directory, because a user who can change its configuration controls the programs of the daemons."""
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
            # This object may have a share already, of a pool that has stopped; it must not count as another user.
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
        """Return whether a usable pool runs here; raise an error if it can be neither used nor replaced."""
        master = self._files.master()
        if master is None:
            return False
        # The pool may still be starting, if the process that started it was killed.
        if self._daemons.wait_until_ready(master, min(deadline, time.monotonic() + _ORPHAN_TIMEOUT)):
            return True
        if not may_replace:
            raise PersonalPoolError(f"The personal pool in {self.directory} runs but does not respond; stop it first.")
        return False

    def _start(self, deadline: float) -> None:
        # A broken pool may have left daemons, which hold its files, and files that say that it runs.
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
        """Stop the pool if no process uses it; for pools whose users were killed."""
        with self._alone(), contextlib.closing(FileLock(self._files.users_lock)) as share:
            self._stop_if_unused(share)

    def _leave(self) -> None:
        atexit.unregister(self.close)
        if self._share is not None:
            self._share.close()
            self._share = None


def _remove_orphans() -> None:
    """Stop the temporary pools whose users were all killed, because they will not be started again."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY_PREFIX}*"):
        # A pool without a record is just being started, and its maker has no share yet.
        with contextlib.suppress(OSError, PersonalPoolError):
            if directory.lstat().st_uid == os.geteuid() and PoolFiles(directory).read_record():
                PersonalPool(directory).stop_unless_used()
