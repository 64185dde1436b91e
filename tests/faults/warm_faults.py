"""The faults of warm jobs, and of the files by which they and the client exchange calls and outcomes: their *lines*."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from condor_futures.execution_point.frames import skim
from tests.faults.scene import Fault, NoTargetError, Scene, full_disk, paused

#: Seconds until the client must have submitted the large calls that were ordered, and until their values come.
ORDERED, COMES = 10.0, 20.0
#: Bytes of a value that takes a while to get through the line.
LARGE = 12 << 20


class WarmFault(Fault):
    """A fault of one warm job that runs."""

    def inject(self, scene: Scene, rng: random.Random) -> list[str]:
        shadow, outcomes = rng.choice(list(lines(scene)))
        self.hit(scene, rng, shadow, outcomes)
        return [outcomes.parent.name]

    def hit(self, scene: Scene, rng: random.Random, shadow: psutil.Process, outcomes: Path) -> None:
        """Inject the fault. *outcomes* is the file that the job of *shadow* writes outcomes to."""
        raise NotImplementedError


def lines(scene: Scene) -> Iterator[tuple[psutil.Process, Path]]:
    """Yield the shadow of each warm job that runs, and the file of outcomes that it has open."""
    found = list(scene.lines())
    if not found:
        raise NoTargetError("no warm job runs")
    yield from found


class StopShadow(WarmFault):
    """A warm job waits for its shadow, and nothing that it or the client wrote is lost."""

    name = "SIGSTOP shadow 20 s"
    reruns = False

    def hit(self, scene: Scene, rng: random.Random, shadow: psutil.Process, outcomes: Path) -> None:
        paused(shadow)


class KillStarter(WarmFault):
    """SIGKILL of the starter, which carries the line."""

    name = "kill -9 starter, of a warm job"

    def hit(self, scene: Scene, rng: random.Random, shadow: psutil.Process, outcomes: Path) -> None:
        bundle = outcomes.parent.name
        for pid in scene.pool.pids("condor_starter"):
            with contextlib.suppress(psutil.Error):
                starter = psutil.Process(pid)
                if any(process.cmdline()[-1:] == [bundle] for process in starter.children(recursive=True)):
                    starter.kill()
                    return
        raise NoTargetError("it has ended")


class Vacate(WarmFault):
    """The job is evicted, and runs again."""

    name = "condor_vacate, of a warm job"

    def hit(self, scene: Scene, rng: random.Random, shadow: psutil.Process, outcomes: Path) -> None:
        command = ["condor_vacate_job", "-constraint", f'CondorFuturesBundle == "{outcomes.parent.name}"']
        subprocess.run(command, env=scene.pool.environment, capture_output=True, timeout=60, check=False)


class RestartSchedd(Fault):
    """The schedd restarts while jobs are warm: their shadows end, and others connect to the jobs, which go on."""

    name = "schedd restart"

    def inject(self, scene: Scene, rng: random.Random) -> None:
        list(lines(scene))
        manner = rng.choice(["-fast", "-graceful"])
        command = ["condor_restart", manner, "-schedd"]
        subprocess.run(command, env=scene.pool.environment, capture_output=True, timeout=60, check=False)


class TornOutcome(Fault):
    """The line breaks while an outcome passes: the shadow is killed as a part of the frame is in the file."""

    name = "line broken in an outcome"

    def inject(self, scene: Scene, rng: random.Random) -> list[str]:
        names = order(scene, calls=3, seconds=1.0)
        watched: dict[Path, int] = {}
        await_begin(scene, names)
        shadows = list(scene.lines())

        def torn() -> tuple[psutil.Process, Path] | None:
            for shadow, path in shadows:
                if is_torn(path, watched):
                    return shadow, path
            return None

        deadline = time.monotonic() + COMES
        while (found := first(torn, deadline - time.monotonic(), pause=0.001)) is not None:
            shadow, path = found
            with contextlib.suppress(psutil.NoSuchProcess):
                shadow.suspend()  # it writes no more until it is known whether the fault succeeded
                if is_torn(path, watched):
                    shadow.kill()
                    return [path.parent.name]
                shadow.resume()
        raise NoTargetError("no outcome was caught as it passed")


class TornCall(Fault):
    """The client is killed while it writes a call into the line; the next client goes on with the job."""

    name = "line broken in a call"
    reruns = False

    def inject(self, scene: Scene, rng: random.Random) -> list[str]:
        list(lines(scene))
        scene.kill_client()
        try:
            found = [(outcomes, frame) for _, outcomes in lines(scene) if (frame := last_call(outcomes))]
            if not found:
                raise NoTargetError("no call was given")
            outcomes, frame = rng.choice(found)
            with outcomes.with_suffix(".calls").open("ab") as file:
                file.write(frame[: rng.randrange(1, len(frame))])
            time.sleep(rng.uniform(0, 3))  # the job reads what there is
        finally:
            scene.start_client()
        return [outcomes.parent.name]


class FullWhileStreamed(Fault):
    """The session's disk is full when the outcomes of warm jobs come."""

    name = "disk full: outcomes streamed"
    excuses = ("CondorFuturesError", "OSError")

    def inject(self, scene: Scene, rng: random.Random) -> None:
        names = order(scene, calls=2, seconds=2.0)
        await_begin(scene, names)
        full_disk(scene.session.parent)


class TwoClients(Fault):
    """Two clients attach one right after the other. The second one may already wait while the first one is there."""

    name = "two clients after each other"
    reruns = False

    def inject(self, scene: Scene, rng: random.Random) -> None:
        if rng.random() < 0.5:
            scene.kill_client()
            scene.start_client()
            time.sleep(rng.choice([0.0, rng.uniform(0, 2)]))
            scene.kill_client()
            scene.start_client()
        else:
            first_client = scene.client
            scene.launch_client()
            time.sleep(rng.uniform(0, 3))
            first_client.kill()
            first_client.wait()
            scene.await_client()


def order(scene: Scene, *, calls: int, seconds: float) -> Sequence[str]:
    """Have the client submit calls with large values to warm jobs; return their names."""
    before = len(scene.client_notes("ordered"))
    scene.order({"calls": calls, "seconds": seconds, "size": LARGE})
    try:
        notes = first(lambda: scene.client_notes("ordered")[before:], ORDERED, pause=0.1)
    finally:
        scene.order(None)
    if notes is None:
        raise NoTargetError("the client submits nothing at the moment")
    names: list[str] = notes[0]["names"]
    return names


def await_begin(scene: Scene, names: Sequence[str]) -> None:
    """Wait until one of the calls *names* has begun."""
    made = scene.directory / "made"
    if first(lambda: any((made / name).exists() for name in names), COMES) is None:
        raise NoTargetError("no large call has begun")


def first(condition: Callable[[], Any], seconds: float, pause: float = 0.02) -> Any:
    """Return the first true value of *condition*; None if there is none for so many *seconds*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(pause)
    return None


def is_torn(path: Path, watched: dict[Path, int]) -> bool:
    """Return whether the file ends with a part of a frame. *watched* has where the whole frames end."""
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        if size == watched.get(path, 0):
            return False
        with path.open("rb") as file:
            file.seek(watched.get(path, 0))
            for _, _, end in skim(file):
                watched[path] = end
        return size > watched.get(path, 0)
    return False


def last_call(outcomes: Path) -> bytes | None:
    """Return the frame of the last call that the job was given; None if it was given none."""
    with contextlib.suppress(OSError), outcomes.with_suffix(".calls").open("rb") as file:
        places = [(start, end) for header, start, end in skim(file) if header.get("kind") == "call"]
        if places:
            start, end = places[-1]
            file.seek(start)
            return file.read(end - start)
    return None


def warm_faults(*, small_disks: bool) -> list[Fault]:
    """Return all faults of this module that can be injected on this machine."""
    kinds: list[Fault] = [StopShadow(), KillStarter(), Vacate(), RestartSchedd(), TornOutcome(), TornCall()]
    kinds += [TwoClients()]
    return [*kinds, FullWhileStreamed()] if small_disks else kinds
