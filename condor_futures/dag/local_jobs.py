"""The jobs, each in its own sandbox, and the scripts of a run on this machine, without HTCondor."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from condor_futures.calls.bundle import Bundle
from condor_futures.dag.sandbox import Sandbox
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import NO_OUTPUT

__all__ = ["LocalJobs", "are_wanted", "look"]

#: Seconds from SIGTERM to SIGKILL.
GRACE = 10.0


def are_wanted(bundles: Sequence[Bundle]) -> bool:
    """Return whether the job is wanted: not all of its remaining calls were cancelled.

    A job of a cluster that runs again may have no remaining calls; it is wanted too.
    """
    futures = [future for bundle in bundles for future in bundle.futures.values()]
    return not futures or not all(future.cancelled() for future in futures)


def look() -> None:
    """Do nothing. Posting this function makes the run's own thread check which jobs are still wanted."""


@dataclass(eq=False)
class _Running:
    """A running job or script, in a session of its own, so that a signal reaches all processes that it has started.

    A process group is not enough, because the process that makes a job's calls has its own group. The deadline belongs
    to the holder of the lock of :class:`LocalJobs`.
    """

    process: subprocess.Popen[bytes]
    wanted: Callable[[], bool]
    deadline: float | None = None  # when to send the next signal, after the first one

    def signal(self, number: int) -> None:
        for pid in _members(self.process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _members(session: int) -> Iterator[int]:
    """Yield the processes of a session, its leader first."""
    yield session
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has just ended
            # pid (name) state ppid pgrp session ...; the name may contain any character
            if path.read_text(errors="replace").rpartition(")")[2].split()[3] == str(session):
                pid = int(path.parent.name)
                if pid != session:
                    yield pid


class LocalJobs:
    """The processes of one run.

    The thread that starts a process waits for it; the run's own thread ends unwanted processes. The set of running
    processes belongs to the holder of the lock.
    """

    def __init__(
        self, session: Session, goes_on: Callable[[], bool], post: Callable[[Callable[[], None]], None]
    ) -> None:
        """Make it without any processes.

        Args:
            session: the session of the DAG; its runner makes the calls, and scripts run in its directory.
            goes_on: returns whether the run continues, so that its jobs and scripts are wanted.
            post: calls a function in the run's own thread, which then checks which processes are still wanted.

        """
        self._session = session
        self._goes_on = goes_on
        self._post = post
        self._running: set[_Running] = set()
        self._lock = threading.Lock()  # of the set of running processes

    # Methods for the run's own thread.

    @property
    def deadline(self) -> float | None:
        """The time on the monotonic clock at which :meth:`end_unwanted` is next needed; None if never."""
        with self._lock:
            return min((running.deadline for running in self._running if running.deadline is not None), default=None)

    def end_unwanted(self) -> None:
        """Terminate unwanted processes, and kill those that do not end."""
        now = time.monotonic()
        with self._lock:
            for running in self._running:
                if not running.wanted() and (running.deadline is None or now >= running.deadline):
                    running.signal(signal.SIGTERM if running.deadline is None else signal.SIGKILL)
                    running.deadline = now + GRACE

    def kill(self) -> None:
        """Kill all processes at once."""
        with self._lock:
            for running in self._running:
                running.signal(signal.SIGKILL)

    # Methods for the threads of jobs and scripts.

    def run_script(self, words: Sequence[str]) -> int:
        """Run a script in the DAG's directory; return its exit status, or the negative number of a signal."""
        return self._execute(words, self._goes_on, cwd=self._session.directory)

    def run_job(self, bundle: Bundle, inputs: Sequence[str], finds: Sandbox) -> states.Event:
        """Run one bundle like a job of HTCondor, in its own sandbox; return the event that ended it.

        Args:
            bundle: the bundle of the job.
            inputs: the files of outcomes that its calls take values from, and of the shared objects that they take,
                relative to its directory.
            finds: the other input files, the environment and the output files.

        Raises:
            OSError, ValueError: an input file cannot be copied to the sandbox.

        """
        at, key, targets = bundle.directory, bundle.key, finds.targets()
        for name in (*finds.files, *targets.values()):
            if "://" in name:
                raise ValueError(
                    f"a run on this machine transfers only files and directories; only HTCondor can transfer {name}"
                )
        with (
            _sandbox() as sandbox,
            (at / f"{key}.stdout").open("wb") as out,
            (at / f"{key}.stderr").open("wb") as err,
        ):
            for path in [at / f"{key}.calls", *(at / name for name in inputs)]:
                (sandbox / path.name).symlink_to(path)
            for name in finds.files:
                _transfer(name, sandbox)
            command: list[str | Path] = [self._session.runner_with(bundle.options.code), key]
            if (environment := bundle.options.environment) is not None:
                (sandbox / environment.name).symlink_to(self._session.environments / environment.name)
                command.append(environment.name)
            outcomes = f"{key}.outcomes"
            shutil.copy(at / outcomes, sandbox)
            status = self._execute(
                command,
                lambda: self._goes_on() and are_wanted([bundle]),
                calls=bundle,
                cwd=sandbox,
                env={**os.environ, **finds.variables(), "_CONDOR_SCRATCH_DIR": str(sandbox)},
                stdout=out,
                stderr=err,
            )
            self._tell(bundle, state=states.State.COMPLETED)
            try:
                for name, target in targets.items():
                    _transfer(os.path.join(sandbox, name), at, target)  # noqa: PTH118 - keeps a trailing slash
            except OSError as error:
                if status == 0:  # otherwise the failure of the job explains the missing file
                    reason = f"an output file cannot be transferred: {error}"
                    return states.Held("local", NO_OUTPUT, error.errno or 0, reason)
            shutil.copy(sandbox / outcomes, at / f"{outcomes}.new")
            (at / f"{outcomes}.new").replace(at / outcomes)
        return states.Terminated("local", signal=-status) if status < 0 else states.Terminated("local", status)

    def _tell(self, bundle: Bundle, **news: Any) -> None:
        """Change the job of *bundle* in the run's own thread, before that thread handles the end of the node."""

        def change() -> None:
            bundle.job = replace(bundle.job, **news)

        self._post(change)

    def _execute(
        self, words: Sequence[str | Path], wanted: Callable[[], bool], *, calls: Bundle | None = None, **options: Any
    ) -> int:
        """Run a command to its end, or until it is no longer *wanted*.

        With *calls*, the command is the job of this bundle: when it ends, all processes that it has started end too, as
        under HTCondor. Return the exit status, or the negative number of a signal.
        """
        if not wanted():
            return -signal.SIGTERM
        if calls:
            self._tell(calls, state=states.State.RUNNING, host=os.uname().nodename)
            for future in calls.futures.values():
                future.mark_running()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True, **options)
        running = _Running(process, wanted)
        with self._lock:
            self._running.add(running)
        self._post(look)  # the process may have become unwanted while it started
        with contextlib.suppress(ChildProcessError):  # in a program that ignores SIGCHLD
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            # Until the status is read, no other process gets the same process id.
            if calls or not wanted():
                running.signal(signal.SIGKILL)
        with self._lock:
            self._running.discard(running)
        return process.wait()


@contextlib.contextmanager
def _sandbox() -> Iterator[Path]:
    """Make a directory for a job; not a TemporaryDirectory, which a forked child of the program removes at its exit."""
    path = Path(tempfile.mkdtemp(prefix="condor_futures-"))
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            for place, _, _ in os.walk(path):
                Path(place).chmod(0o700)  # the job may have left directories that are not writable
        shutil.rmtree(path, ignore_errors=True)


def _transfer(name: str, directory: Path, target: str = "") -> None:
    """Copy *name* as HTCondor does, under its own name or as *target*.

    A trailing slash after the name of a directory selects its contents.
    """
    to = directory / (target or Path(name).name)
    if Path(name).is_dir():
        shutil.copytree(name, directory if name.endswith("/") and not target else to, dirs_exist_ok=True)
    else:
        shutil.copy2(name, to)
