"""The faults, each a small class, and their targets: a pool of its own and the client of a workload."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

from condor_futures.personal import PersonalPool
from tests.faults.judge import Injected
from tests.faults.workload import read_journal
from tests.support import Pool, until

STOPPED = 20.0  # s for which the schedd is stopped
FULL = 6.0  # s for which a disk is full


class NoTargetError(Exception):
    """The fault has no target at the moment."""


class Scene:
    """The targets of the monkey: the pool, the client and their files.

    ::

        DIRECTORY/
            state/      of the personal pool; its spool is a small file system of its own
            session/    a small file system, with the session s
            made/       a file for each call, with one line for each time that the call ran
            journal     the clients' journal
            faults      the monkey's notes
            client-N.log

    """

    def __init__(self, directory: Path, seed: str, *, small_disks: bool) -> None:
        """Make the directories. With *small_disks*, mount the file systems that a fault can fill."""
        self.directory = directory
        self.seed = seed
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
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", place], check=True)

    def start(self) -> None:
        """Start the pool and the client."""
        self.personal.start()
        self.pool = Pool(self.personal)
        self.start_client()

    def start_client(self) -> None:
        """Start the next generation of the client. Return when it has its session."""
        self.generation += 1
        with (self.directory / f"client-{self.generation}.log").open("wb") as log:
            self.client = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.workload", self.directory, self.seed, str(self.generation)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(lambda: self.client_says("attached") or self.client.poll() is not None, timeout=150)
        if self.client.poll() is not None:
            raise RuntimeError(f"the client of generation {self.generation} ended: see its log")

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
        return psutil.Process(rng.choice(sorted(pids)))

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


@dataclass
class Kill(Fault):
    """SIGKILL of a daemon. The master restarts the daemon if it started it."""

    daemon: str

    @property
    def name(self) -> str:
        return f"kill -9 {self.daemon.removeprefix('condor_')}"

    def inject(self, scene: Scene, rng: random.Random) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            scene.daemon(self.daemon, rng).kill()


class KillMaster(Fault):
    name = "kill -9 master"

    def inject(self, scene: Scene, rng: random.Random) -> None:
        psutil.Process(scene.personal.master_pid).kill()
        time.sleep(rng.uniform(0, 5))
        scene.personal.start()


class KillJob(Fault):
    """SIGKILL of a process of a job: the process that runs its calls, or its supervisor."""

    name = "kill -9 job"
    excuses = ("JobCrashedError",)
    reruns = False

    def inject(self, scene: Scene, rng: random.Random) -> list[str]:
        starter = scene.daemon("condor_starter", rng)
        try:
            # The runner's last argument is the bundle. A starter may have other children for a short time.
            bundles = {p: p.cmdline()[-1:] for p in starter.children(recursive=True)}
            processes = [p for p, words in bundles.items() if words and re.fullmatch(r"b\d{6}", words[0])]
            if not processes:
                raise NoTargetError("the starter has no job yet")
            victim = rng.choice(sorted(processes, key=lambda process: process.pid))
            victim.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            raise NoTargetError("it has ended") from None
        return bundles[victim]


class KillHelper(Fault):
    """SIGKILL of the client's helper process."""

    name = "kill -9 helper"
    reruns = False

    def inject(self, scene: Scene, rng: random.Random) -> None:
        helpers = [p for p in psutil.Process(scene.client.pid).children() if "access_point/helper" in str(p.cmdline())]
        if not helpers:
            raise NoTargetError("no helper")
        helpers[0].kill()


class StopSchedd(Fault):
    name = f"SIGSTOP schedd {STOPPED:g} s"
    reruns = False

    def inject(self, scene: Scene, rng: random.Random) -> None:
        schedd = scene.daemon("condor_schedd", rng)
        schedd.suspend()
        try:
            time.sleep(STOPPED)
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                schedd.resume()


class StopShadow(Fault):
    """A warm job waits for its shadow, and nothing that it or the client wrote is lost."""

    name = f"SIGSTOP shadow {STOPPED:g} s"
    reruns = False

    def inject(self, scene: Scene, rng: random.Random) -> None:
        shadow = scene.daemon("condor_shadow", rng)
        with contextlib.suppress(psutil.NoSuchProcess):
            shadow.suspend()
            try:
                time.sleep(STOPPED)
            finally:
                shadow.resume()


class Tool(Fault):
    """One of HTCondor's tools, used on random jobs."""

    tool: ClassVar[str]
    constraint: ClassVar[str]

    def inject(self, scene: Scene, rng: random.Random) -> list[str]:
        jobs = scene.jobs(rng, self.constraint)
        # The tool fails if the job has just left.
        subprocess.run([self.tool, *jobs], env=scene.pool.environment, capture_output=True, timeout=60, check=False)
        return list(jobs.values())


class Hold(Tool):
    name = tool = "condor_hold"
    constraint = "JobStatus != 3 && JobStatus != 4"
    excuses = ("JobHeldError",)
    reruns = False


class Release(Tool):
    """Releases random jobs, including jobs on hold because their input is still being spooled."""

    name = tool = "condor_release"
    constraint = "true"
    reruns = False


class Remove(Tool):
    name = tool = "condor_rm"
    constraint = "true"
    # A job that ended and was removed before the client retrieved its outputs leaves no outcomes.
    excuses = ("JobRemovedError", "JobLostError")
    reruns = False


class Vacate(Tool):
    name = "condor_vacate"
    tool = "condor_vacate_job"
    constraint = "JobStatus == 2"


class RestartPool(Fault):
    name = "pool restart"

    def inject(self, scene: Scene, rng: random.Random) -> None:
        scene.personal.stop()
        time.sleep(rng.uniform(0, 5))
        scene.personal.start()


class KillClient(Fault):
    """Sometimes kills the client again while it attaches to the session."""

    name = "client SIGKILL + attach"
    reruns = False

    def inject(self, scene: Scene, rng: random.Random) -> None:
        scene.kill_client()
        time.sleep(rng.choice([0.0, rng.uniform(0, 5)]))
        scene.start_client()


class TruncateLog(Fault):
    """The job event log loses its end or all of its content, or gets lines that are no events."""

    name = "event log truncated"

    def inject(self, scene: Scene, rng: random.Random) -> None:
        log = scene.session / "event_log"
        what = rng.choice(["all", "end", "garbage"])
        if what == "garbage":
            with log.open("ab") as file:
                file.write(rng.randbytes(500) + b"\n...\n" + b"no event at all\n" * 3)
        else:
            os.truncate(log, 0 if what == "all" else int(log.stat().st_size * rng.random()))


class Tamper(Fault):
    """Files of outcomes are altered, cut, or swapped with those of other bundles. The client that attaches reads them
    again.
    """

    name = "outcomes tampered"
    excuses = ("OutcomeError", "JobCrashedError", "JobLostError")

    def inject(self, scene: Scene, rng: random.Random) -> list[str]:
        files = sorted(path for path in scene.session.glob("bundles/*/*.outcomes") if path.stat().st_size)[-30:]
        if len(files) < 2:
            raise NoTargetError("no outcomes yet")
        scene.kill_client()
        victim, other = rng.sample(files, 2)
        data = victim.read_bytes()
        match rng.choice(["alter", "cut", "swap"]):
            case "alter":
                at = rng.randrange(len(data))
                victim.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            case "cut":
                victim.write_bytes(data[: rng.randrange(len(data))])
            case "swap":
                victim.write_bytes(other.read_bytes())
                other.write_bytes(data)
        scene.start_client()
        return [victim.stem, other.stem]


@dataclass
class FillDisk(Fault):
    """A full disk for some seconds. It may affect any file that is being written."""

    where: str
    #: The requirement is "an error that says what became of its job": any of our errors.
    excuses = ("CondorFuturesError", "OSError")

    @property
    def name(self) -> str:
        return f"disk full: {self.where}"

    def inject(self, scene: Scene, rng: random.Random) -> None:
        place = scene.spool if self.where == "spool" else scene.session.parent
        ballast = place / "ballast"
        try:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
            with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 12))
            time.sleep(FULL)
        finally:
            ballast.unlink()


DAEMONS = ["schedd", "shadow", "starter", "startd", "negotiator"]


def faults(scene: Scene) -> list[Fault]:
    """Return all faults that can be injected on this machine."""
    kinds: list[Fault] = [Kill(f"condor_{daemon}") for daemon in DAEMONS]
    kinds += [KillMaster(), KillJob(), KillHelper(), StopSchedd(), StopShadow(), Hold(), Release(), Remove(), Vacate()]
    kinds += [RestartPool(), KillClient(), TruncateLog(), Tamper()]
    if scene.small_disks:
        kinds += [FillDisk("session"), FillDisk("spool")]
    return kinds


def deck(kinds: list[Fault], rng: random.Random) -> Iterator[Fault]:
    """Yield each fault once in a random order, then once more in another order, and so on."""
    while True:
        yield from rng.sample(kinds, len(kinds))


def disturb(scene: Scene, rng: random.Random, seconds: float, say: Callable[[str], None]) -> list[Injected]:
    """Inject faults one after the other for *seconds*. Return the injected faults."""
    injected: list[Injected] = []
    deadline = time.monotonic() + seconds
    for fault in deck(faults(scene), rng):
        time.sleep(rng.uniform(0.5, 5.0))
        if time.monotonic() > deadline:
            return injected
        began = time.time()
        for _ in range(40):
            try:
                bundles = fault.inject(scene, rng)
                break
            except NoTargetError:
                time.sleep(0.25)
        else:
            say(f"{fault.name}: nothing to hit")
            continue
        injected.append(Injected(fault.name, began, time.time(), bundles, fault.excuses, fault.reruns))
        with (scene.directory / "faults").open("a") as file:
            file.write(json.dumps(dataclasses.asdict(injected[-1])) + "\n")
        say(f"{fault.name} {' '.join(bundles or [])} ({injected[-1].ended - began:.1f} s)")
    return injected


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
