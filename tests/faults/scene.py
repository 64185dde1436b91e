"""The targets of faults, which are a pool of its own and the client of a workload, and what every fault has."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, TextIO

import psutil

from condor_futures import PersonalPoolError
from condor_futures.execution_point.frames import skim
from condor_futures.personal import PersonalPool
from tests.faults.workload import read_journal
from tests.support import Pool, until

STOPPED = 20.0  # s for which a process is stopped
FULL = 6.0  # s for which a disk is full
RESTART = 120.0  # s that the pool may take to start again


class NoTargetError(Exception):
    """The fault has no target at the moment."""


class Scene:
    """The targets of the monkey: the pool, the client and their files.

    ::

        DIRECTORY/
            state/      of the personal pool; its spool is a small file system of its own
            session/    a small file system, with the session s
            made/       a file for each call, with one line for each time that the call ran
            lines       when warm jobs were given calls, and when their outcomes arrived, seen from outside
            order       calls that the client is to submit next; it exists when a fault needs them
            journal     the clients' journal
            faults      the monkey's notes
            client-N.log

    """

    def __init__(self, directory: Path, seed: str, *, calls: int, small_disks: bool) -> None:
        """Make the directories. With *small_disks*, mount the file systems that a fault can fill.

        The client has up to *calls* calls under way.
        """
        self.directory = directory
        self.seed = seed
        self.calls = calls
        self.small_disks = small_disks
        self.session = directory / "session" / "s"
        self.spool = directory / "state" / "condor_futures" / "pools" / "personal" / "spool"
        self.generation = -1
        self.client: subprocess.Popen[bytes] | None = None
        config = {
            "MASTER_BACKOFF_CONSTANT": "1",
            "JOB_DEFAULT_LEASE_DURATION": "20",  # a longer lease would only cost time here
            "MASTER_BACKOFF_CEILING": "5",
            # The database is in the spool by default. A negotiator that finds the disk full corrupts it, so that no
            # negotiator can start again (25.14: "corrupt log record ... recovery failed"). At a site, the negotiator
            # does not run on the access point.
            "ACCOUNTANT_DATABASE_FILE": "$(LOG)/Accountantnew.log",
        }
        self.personal = PersonalPool(slots=8, config=config)
        for place in (directory / "made", directory / "session", self.spool):
            place.mkdir(parents=True, exist_ok=True)
        if small_disks:
            for place in (directory / "session", self.spool):
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "none", place], check=True)

    def start(self) -> None:
        """Start the pool and the client."""
        self.personal.start()
        self.pool = Pool(self.personal)
        self.start_client()

    def restart_pool(self) -> None:
        """Start the pool again; on a busy machine, killed processes may take a while to exit."""
        deadline = time.monotonic() + RESTART
        while time.monotonic() < deadline:
            with contextlib.suppress(PersonalPoolError):
                self.personal.start()
                return
            time.sleep(1)
        self.personal.start()

    def start_client(self) -> None:
        """Start the next generation of the client. Return when it has its session."""
        self.launch_client()
        self.await_client()

    def launch_client(self) -> None:
        """Start the next generation of the client."""
        self.generation += 1
        with (self.directory / f"client-{self.generation}.log").open("wb") as log:
            self.client = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.faults.workload"),
                    *(self.directory, self.seed, str(self.generation), str(self.calls)),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def await_client(self) -> None:
        """Return when the client has its session."""
        until(lambda: self.client_says("attached") or self.client.poll() is not None, timeout=150)
        if self.client.poll() is not None:
            raise RuntimeError(f"the client of generation {self.generation} ended: see its log")

    def order(self, order: dict[str, Any] | None) -> None:
        """Have the client submit certain calls next; None withdraws the order."""
        file = self.directory / "order"
        if order is None:
            file.unlink(missing_ok=True)
        else:
            file.with_suffix(".new").write_text(json.dumps(order))
            file.with_suffix(".new").rename(file)

    def client_notes(self, event: str) -> list[dict[str, Any]]:
        """Return what the clients have recorded about *event*."""
        return [line for line in read_journal(self.directory) if line["event"] == event]

    def client_says(self, event: str) -> bool:
        """Return whether the client of this generation has recorded *event*."""
        if not (self.directory / "journal").exists():
            return False
        lines = read_journal(self.directory)
        begun = [n for n, line in enumerate(lines) if line.get("generation") == self.generation]
        return bool(begun) and any(line["event"] == event for line in lines[begun[0] :])

    def kill_client(self) -> None:
        """Kill the client with SIGKILL."""
        assert self.client is not None
        self.client.kill()
        self.client.wait()

    def stop(self) -> None:
        """Stop the client and the pool, and unmount the small file systems."""
        if self.client is not None and self.client.poll() is None:
            self.kill_client()
        self.personal.stop()
        if self.small_disks:
            for place in (self.directory / "session", self.spool):
                subprocess.run(["umount", place], check=False)

    def daemon(self, name: str, rng: random.Random) -> psutil.Process:
        """Return a random process of one kind of daemon."""
        pids = self.pool.pids(name)
        if not pids:
            raise NoTargetError(name)
        try:
            return psutil.Process(rng.choice(sorted(pids)))
        except psutil.NoSuchProcess:
            raise NoTargetError(f"{name}: it has just ended") from None

    def lines(self) -> Iterator[tuple[psutil.Process, Path]]:
        """Yield the shadow of each warm job that runs, and the file of outcomes that the shadow has open for it."""
        pids: list[int] = []
        with contextlib.suppress(psutil.NoSuchProcess):  # the master was killed
            pids = self.pool.pids("condor_shadow")
        for pid in pids:
            with contextlib.suppress(OSError, psutil.NoSuchProcess):
                for link in Path(f"/proc/{pid}/fd").iterdir():
                    path = Path(link.readlink())
                    if path.suffix == ".outcomes" and path.parent.parent.name == "lines":
                        yield psutil.Process(pid), path
                        break

    def jobs(self, rng: random.Random, constraint: str, most: int = 3) -> dict[str, str]:
        """Return the ids of some random jobs, with their bundles."""
        try:
            ads = self.pool.ads("condor_q", constraint)
        except (AssertionError, json.JSONDecodeError, subprocess.SubprocessError):
            raise NoTargetError("the schedd does not answer") from None
        known = {f"{ad['ClusterId']}.{ad['ProcId']}": ad["CondorFuturesBundle"] for ad in ads}
        if not known:
            raise NoTargetError(constraint)
        chosen = rng.sample(sorted(known), min(len(known), rng.randint(1, most)))
        return {job: known[job] for job in chosen}


class Fault:
    """One kind of fault.

    Attributes:
        name: the name in the table.
        excuses: the names of the error classes that the fault explains. They are errors of the calls that the fault was
            aimed at or, if it has no target, of all calls that were under way.
        reruns: whether the fault explains that running calls are run again.

    """

    name: ClassVar[str]
    excuses: ClassVar[tuple[str, ...]] = ()
    reruns: ClassVar[bool] = True

    def inject(self, scene: Scene, rng: random.Random) -> list[str] | None:
        """Inject the fault. Return the bundles that it was aimed at, or None."""
        raise NotImplementedError


def paused(process: psutil.Process) -> None:
    """Stop a process for a while."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.suspend()
        try:
            time.sleep(STOPPED)
        finally:
            process.resume()


def full_disk(place: Path) -> None:
    """Fill the file system of *place* for a while."""
    ballast = place / "ballast"
    try:
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            about = os.statvfs(place)
            os.posix_fallocate(file.fileno(), 0, about.f_bavail * about.f_frsize)
        for size in (1 << 20, 1 << 12):
            with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(size))
        time.sleep(FULL)
    finally:
        ballast.unlink()


class Arrivals:
    """Notes when the outcomes of warm jobs arrive at the access point, and when the client gives calls to warm jobs.

    It looks at the files by itself, so that the evidence does not depend on the executor.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._ends: dict[Path, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        with (self._scene.directory / "lines").open("a", buffering=1) as notes:
            while not self._over.wait(0.1):
                for path in self._scene.session.glob("lines/b*/*.*s"):
                    if path.suffix in (".outcomes", ".calls"):
                        with contextlib.suppress(OSError):
                            self._look(path, notes)

    def _look(self, path: Path, notes: TextIO) -> None:
        at = self._ends.get(path, 0)
        if path.stat().st_size == at:
            return
        with path.open("rb") as file:
            file.seek(at)
            for header, _, end in skim(file):
                self._ends[path] = end
                if header.get("kind") == ("call" if path.suffix == ".calls" else "outcome"):
                    notes.write(f"{header['kind']} {header['call']} {time.time()} {path.parent.name}\n")


def remains(scene: Scene) -> list[str]:
    """Return what is left of the workload on the pool after its client has ended."""
    left = [f"job {ad['ClusterId']}.{ad['ProcId']} in the queue" for ad in scene.pool.ads("condor_q")]
    # If a schedd (25.14) removes a job while it sends the job's outputs, it may create their directory again, empty.
    left += [f"{path} in the spool" for path in scene.spool.glob("*/*/cluster*") if any(path.iterdir())]
    for daemon in ("condor_shadow", "condor_starter"):
        left += [f"{daemon} {pid}" for pid in scene.pool.pids(daemon)]
    mark = str(scene.session).encode()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            words = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            if mark in words and process.pid != os.getpid():
                left.append(f"process {process.pid}: {words.decode(errors='replace')}")
    return left


def stacks(scene: Scene) -> None:
    """Make the client write the stacks of its threads to its log."""
    if scene.client is not None and scene.client.poll() is None:
        scene.client.send_signal(signal.SIGUSR1)
        time.sleep(1)
