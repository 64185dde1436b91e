"""The faults, each a small class, and the monkey that injects them. The faults of warm jobs are in ``warm_faults``."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import psutil

from tests.faults.judge import Injected
from tests.faults.scene import STOPPED, Fault, NoTargetError, Scene, full_disk, paused
from tests.faults.warm_faults import warm_faults

#: Seconds for which a fault waits for a target.
TARGET = 15.0


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
        scene.restart_pool()


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
        paused(scene.daemon("condor_schedd", rng))


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
        scene.restart_pool()


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
        full_disk(scene.spool if self.where == "spool" else scene.session.parent)


DAEMONS = ["schedd", "shadow", "starter", "startd", "negotiator"]


def faults(scene: Scene) -> list[Fault]:
    """Return all faults that can be injected on this machine."""
    kinds: list[Fault] = [Kill(f"condor_{daemon}") for daemon in DAEMONS]
    kinds += [KillMaster(), KillJob(), KillHelper(), StopSchedd(), Hold(), Release(), Remove(), Vacate()]
    kinds += [RestartPool(), KillClient(), TruncateLog(), Tamper(), *warm_faults(small_disks=scene.small_disks)]
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
        time.sleep(rng.uniform(0.5, 3.0))
        if time.monotonic() > deadline:
            return injected
        until = time.monotonic() + TARGET
        while True:
            began, warm = time.time(), len(list(scene.lines()))
            try:
                bundles = fault.inject(scene, rng)
                break
            except NoTargetError as error:
                why = str(error)
            if time.monotonic() > until:
                bundles = []
                break
            time.sleep(0.25)
        if bundles == []:
            say(f"{fault.name}: {why}")
            continue
        injected.append(Injected(fault.name, began, time.time(), bundles, fault.excuses, fault.reruns, warm))
        with (scene.directory / "faults").open("a") as file:
            file.write(json.dumps(dataclasses.asdict(injected[-1])) + "\n")
        say(f"{fault.name} {' '.join(bundles or [])} ({injected[-1].ended - began:.1f} s)")
    return injected
