"""Helpers that tests in several directories share: a view of the pool from outside, and waiting for events there."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from condor_futures import CondorExecutor
from condor_futures.personal import PersonalPool


class Pool:
    """The session's personal pool, and HTCondor's own tools to inspect it from outside."""

    def __init__(self, personal: PersonalPool) -> None:
        self.personal = personal
        self.environment = personal.environment()

    def run(self, *command: str) -> str:
        """Return what one of HTCondor's tools prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def ads(self, tool: str, constraint: str = "true") -> list[dict[str, Any]]:
        """Return job ads from condor_q or condor_history."""
        options = ["-allusers"] if tool == "condor_q" else []
        text = self.run(tool, *options, "-constraint", constraint, "-json")
        return json.loads(text) if text.strip() else []

    def remove_all(self) -> None:
        """Remove all jobs, and wait until they have left the queue, if the schedd responds.

        Otherwise a client that still watches a job could take the removal for one of the next test.
        """
        with contextlib.suppress(subprocess.TimeoutExpired, AssertionError):
            subprocess.run(["condor_rm", "-all"], env=self.environment, capture_output=True, timeout=30, check=False)
            until(lambda: self.ads("condor_q") == [], timeout=30, pause=0.2)

    def queue(self, executor: CondorExecutor) -> list[dict[str, Any]]:
        """Return the jobs of an executor's session that are in the queue."""
        return self.ads("condor_q", session_constraint(executor))

    def history(self, executor: CondorExecutor, count: int) -> list[dict[str, Any]]:
        """Return the jobs of an executor's session that have left the queue. Wait until there are *count* of them."""
        return until(
            lambda: (ads := self.ads("condor_history", session_constraint(executor))) and len(ads) >= count and ads
        )

    def pids(self, daemon: str) -> list[int]:
        """Return the processes of one kind of daemon of this pool, which are descendants of its master.

        The processes that a daemon forks to answer a query do not count. They have its name, and end after a moment.
        """
        master = psutil.Process(self.personal.master_pid)
        found = []
        for child in master.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name() == daemon and child.parent().name() != daemon:
                    found.append(child.pid)
        return found


def session_constraint(executor: CondorExecutor) -> str:
    """Return a constraint that selects the jobs of an executor's session."""
    return f'CondorFuturesSession == "{executor._engine.session.id}"'


def until(condition: Callable[[], Any], timeout: float = 60.0, pause: float = 0.02) -> Any:
    """Wait for something that happens outside this process. Return the first true value of the condition."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(pause)
    return value


@contextlib.contextmanager
def small_disk(place: Path, mebibytes: int) -> Iterator[Path]:
    """A new directory with a file system of its own. Skip the test if the machine does not allow one."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "none", place]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
