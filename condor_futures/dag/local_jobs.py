"""What a DAG runs on this machine, without HTCondor: jobs, each in a sandbox of its own, and scripts."""

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
    """Not all that is left to call was cancelled; in a cluster that is made again, a job may have nothing left."""
    futures = [future for bundle in bundles for future in bundle.futures.values()]
    return not futures or not all(future.cancelled() for future in futures)


def look() -> None:
    """What is posted only to have the run's own thread look what is still wanted."""


@dataclass(eq=False)
class _Running:
    """A job or a script that runs, in a session of its own, so that a signal reaches all that it has started.

    A group would not do: the process that makes a job's calls has one of its own.
    """

    process: subprocess.Popen[bytes]
    wanted: Callable[[], bool]
    deadline: float | None = None  # when it is told again, once it was told to end

    def signal(self, number: int) -> None:
        for pid in _members(self.process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _members(session: int) -> Iterator[int]:
    """The processes of a session, its leader first."""
    yield session
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            # pid (name) state ppid pgrp session ...; the name may have anything in it
            if path.read_text(errors="replace").rpartition(")")[2].split()[3] == str(session):
                pid = int(path.parent.name)
                if pid != session:
                    yield pid


class LocalJobs:
    """The processes of one run: each is waited for in the thread that runs it, and ended in the run's own thread."""

    def __init__(
        self, session: Session, goes_on: Callable[[], bool], post: Callable[[Callable[[], None]], None]
    ) -> None:
        """Make it, with nothing to run yet.

        Args:
            session: the DAG's; its runner makes the calls, and scripts run in its directory.
            goes_on: whether the run does, for which jobs and scripts are wanted.
            post: has a function called in the run's own thread, which then looks what is still wanted.

        """
        self._session = session
        self._goes_on = goes_on
        self._post = post
        self._running: set[_Running] = set()
        self._lock = threading.Lock()  # of what runs

    # What the run's own thread calls.

    @property
    def deadline(self) -> float | None:
        """When :meth:`end_unwanted` has something to do again, as the monotonic clock has it; None if never."""
        with self._lock:
            return min((running.deadline for running in self._running if running.deadline is not None), default=None)

    def end_unwanted(self) -> None:
        """Tell what nobody wants any more to end, and kill it if it does not."""
        now = time.monotonic()
        with self._lock:
            for running in self._running:
                if not running.wanted() and (running.deadline is None or now >= running.deadline):
                    running.signal(signal.SIGTERM if running.deadline is None else signal.SIGKILL)
                    running.deadline = now + GRACE

    def kill(self) -> None:
        """End all at once."""
        with self._lock:
            for running in self._running:
                running.signal(signal.SIGKILL)

    # What the threads of jobs and scripts call.

    def run_script(self, words: Sequence[str]) -> int:
        """Run a script, in the DAG's directory; gives its exit status, or minus a signal."""
        return self._execute(words, self._goes_on, cwd=self._session.directory)

    def run_job(self, bundle: Bundle, inputs: Sequence[str], finds: Sandbox) -> states.Event:
        """Run one bundle as a job would, in a sandbox of its own; gives how it ended.

        Args:
            bundle: of the job.
            inputs: files of outcomes that its calls may take values from, relative to its directory.
            finds: what there is in its sandbox besides, and what it brings back.

        Raises:
            OSError, ValueError: if there is something that cannot be brought to it.

        """
        at, key, targets = bundle.directory, bundle.key, finds.targets()
        for name in (*finds.files, *targets.values()):
            if "://" in name:
                raise ValueError(
                    f"{name} is for HTCondor to transfer; a run on this machine takes files and directories"
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
            outcomes = f"{key}.outcomes"
            shutil.copy(at / outcomes, sandbox)
            status = self._execute(
                [self._session.runner, key],
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
                    _transfer(os.path.join(sandbox, name), at, target)  # noqa: PTH118 - which keeps a slash at its end
            except OSError as error:
                if status == 0:  # or else it is no wonder
                    reason = f"an output file cannot be brought back: {error}"
                    return states.Held("local", NO_OUTPUT, error.errno or 0, reason)
            shutil.copy(sandbox / outcomes, at / f"{outcomes}.new")
            (at / f"{outcomes}.new").replace(at / outcomes)
        return states.Terminated("local", signal=-status) if status < 0 else states.Terminated("local", status)

    def _tell(self, bundle: Bundle, **news: Any) -> None:
        """Have the thread of the run know this of the job of *bundle*, before it learns how the job's node ended."""

        def know() -> None:
            bundle.job = replace(bundle.job, **news)

        self._post(know)

    def _execute(
        self, words: Sequence[str | Path], wanted: Callable[[], bool], *, calls: Bundle | None = None, **options: Any
    ) -> int:
        """Run a command to its end, or for as long as it is *wanted*; gives its exit status, or minus a signal.

        With *calls* it is their job: when that ends, what it has started ends too, as under HTCondor.
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
        self._post(look)  # it may have become unwanted while it was started
        with contextlib.suppress(ChildProcessError):  # in a program that ignores SIGCHLD
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            # As long as its status is not taken, its number is no other's.
            if calls or not wanted():
                running.signal(signal.SIGKILL)
        with self._lock:
            self._running.discard(running)
        return process.wait()


@contextlib.contextmanager
def _sandbox() -> Iterator[Path]:
    """A directory for a job; a TemporaryDirectory would be removed by any forked child of the program that ends."""
    path = Path(tempfile.mkdtemp(prefix="condor_futures-"))
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            for place, _, _ in os.walk(path):
                Path(place).chmod(0o700)  # a job may have left some that cannot be written to
        shutil.rmtree(path, ignore_errors=True)


def _transfer(name: str, directory: Path, target: str = "") -> None:
    """Copy what HTCondor would, under its own name or as *target*; of a directory with a slash at its end, what is in
    it.
    """
    to = directory / (target or Path(name).name)
    if Path(name).is_dir():
        shutil.copytree(name, directory if name.endswith("/") and not target else to, dirs_exist_ok=True)
    else:
        shutil.copy2(name, to)
