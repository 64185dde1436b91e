"""The client: it makes a random workload in a process that may be killed at any moment, and records every step.

Run it as ``python -m tests.faults.workload DIRECTORY SEED GENERATION CALLS``. The first generation begins a session.
Each later generation attaches to that session. The client has up to CALLS calls under way. It continues until the file
``DIRECTORY/stop`` exists. Then it waits for all of its futures.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from condor_futures import CondorExecutor, CondorFuturesError, PayloadError, SharedObject

#: The seconds between two submissions. The load on the machine is not under test.
PAUSE = (0.05, 0.5)
RETRIES = 3
#: The share of the calls that warm jobs make, and the seconds that these jobs wait for calls.
WARM, WAIT = 0.5, 20.0
#: The relative frequency of each kind of submission. A bundle has several calls of the single kinds. A child has calls
#: as arguments.
KINDS = {"value": 6, "raises": 1, "crashes": 1, "retried": 1, "unspooled": 4, "bundle": 2, "child": 3}
CANCELS = 0.04
#: The share of the calls that take the shared object, and its size.
SHARED, TABLE = 0.3, 2_000_000
#: Seconds to wait for an access point to return while attaching to a session.
ATTACHING = 120.0


def digest(name: str, parents: Sequence[str]) -> str:
    """Return the digest that identifies the value of the call *name*. It depends on the values of the parents."""
    return hashlib.sha256(" ".join([name, *parents]).encode()).hexdigest()


def table() -> bytes:
    """Return the object that calls share."""
    return random.Random("table").randbytes(TABLE)


def make(
    directory: str, name: str, kind: str, seconds: float, size: int, parents: Sequence[Any] = (), shared: bytes = b""
) -> Any:
    """One call: it writes a line to a file, takes some time, and ends as its kind says."""
    assert shared in (b"", table()), "the shared object is another one"
    bundle = Path("/proc/self/cmdline").read_bytes().split(b"\0")[-2].decode()  # the last argument of the job's process
    with Path(directory, "made", name).open("a+") as file:
        file.write(f"{time.time()} {bundle}\n")
        file.flush()
        file.seek(0)
        times = len(file.readlines())
    time.sleep(seconds)
    if kind == "raises":
        raise LookupError(name)
    if kind == "crashes" or (kind == "retried" and times == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return name, digest(name, [parent[1] for parent in parents]), random.Random(name).randbytes(size)


def read_journal(directory: Path) -> list[dict[str, Any]]:
    """Return the journal of all clients, except for a line that is incomplete because its client still writes it or was
    killed.
    """
    noted = []
    for line in (directory / "journal").read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            noted.append(json.loads(line))
    return noted


class Client:
    """One generation of the client."""

    def __init__(self, directory: Path, seed: str, generation: int, under_way: int) -> None:
        self.directory = directory
        self.under_way = under_way
        self.generation = generation
        self.rng = random.Random(f"{seed}/{generation}")
        self.journal = (directory / "journal").open("a", buffering=1)
        self.journal.write("\n")  # the previous client may have been killed in the middle of a line
        self.futures: dict[str, Future[Any]] = {}
        self.digests: dict[str, str] = {}
        self.table: SharedObject[bytes] | None = None
        self.names = 0
        self.next_key = 0

    def note(self, event: str, **details: Any) -> None:
        """Write one line of the journal."""
        self.journal.write(json.dumps({"t": time.time(), "event": event, **details}) + "\n")

    def open(self) -> CondorExecutor:
        """Begin the session, or attach to it."""
        session = self.directory / "session" / "s"
        if self.generation == 0:
            executor = CondorExecutor(access_point="personal", warm=0, session=session)
        else:
            deadline = time.monotonic() + ATTACHING
            while True:
                try:
                    executor = CondorExecutor.attach(session)
                    break
                except CondorFuturesError as error:
                    self.note("not attached", error=str(error))
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(1)
            self.next_key = int(repr(executor._engine.numbers.calls)[len("count(") : -1])
        self.note("attached", generation=self.generation, keys=list(executor.futures))
        for key, future in executor.futures.items():
            self.follow(key, future)
        return executor

    def follow(self, key: str, future: Future[Any]) -> None:
        self.futures[key] = future
        future.add_done_callback(lambda _: self.ended(key, future))

    def ended(self, key: str, future: Future[Any]) -> None:
        if future.cancelled():
            self.note("ended", key=key, how="cancelled")
            return
        error = future.exception()
        # A call for warm jobs learns only at the end which job made it.
        bundle = future.bundle.key if future.bundle is not None else None
        if error is not None:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            self.note("ended", key=key, how="error", bundle=bundle, kinds=kinds, args=str(error.args), text=str(error))
            return
        name, found, data = future.result()
        whole = data == random.Random(name).randbytes(len(data))
        self.note(
            "ended",
            key=key,
            how="value",
            bundle=bundle,
            name=name,
            digest=found if whole else "its data are not its own",
        )

    def single(self, kind: str = "") -> tuple[str, str, str, float, int]:
        """Return the arguments of a call."""
        self.names += 1
        kind = kind or self.rng.choice(["value", "value", "raises", "crashes"])
        seconds = self.rng.choice([0.0, 0.2, 1.0, 4.0]) * self.rng.uniform(0.5, 1.5)
        size = 100_000 if self.rng.random() < 0.05 else 10
        return str(self.directory), f"{self.generation}.{self.names}", kind, seconds, size

    def submit(self, executor: CondorExecutor) -> None:
        """Submit something new. The journal has it before anything else happens."""
        [what] = self.rng.choices(list(KINDS), list(KINDS.values()))
        parents: list[str] = []
        if what == "bundle":
            calls = [self.single() for _ in range(self.rng.randint(2, 5))]
        elif what == "child":
            calls = [self.single("value")]
            recent = list(self.futures)[-20:]
            parents = self.rng.sample(recent, min(len(recent), self.rng.randint(1, 3)))
        else:
            calls = [self.single("value" if what == "unspooled" else what)]
        keys = [f"c{self.next_key + n:06d}" for n in range(len(calls))]
        self.next_key += len(calls)
        for key, (_, name, kind, *_) in zip(keys, calls, strict=True):
            self.note("plan", key=key, name=name, kind=kind, parents=parents, retries=(what == "retried") * RETRIES)
        if what == "retried":
            executor = executor.with_options(max_retries=RETRIES)
        elif what == "unspooled":
            executor = executor.with_options(spool=False)
        if what != "retried" and self.rng.random() < WARM:
            executor = executor.with_options(warm=WAIT)
        if what == "bundle":
            [futures] = executor._intake.submit_chunks(make, iter(calls), len(calls), None)
        else:
            shared = [self.table] if self.table is not None and self.rng.random() < SHARED else []
            futures = [executor.submit(make, *calls[0], [self.futures[key] for key in parents], *shared)]
        self.accepted(keys, futures)

    def serve_order(self, executor: CondorExecutor) -> None:
        """Submit calls with large values to warm jobs, if a fault needs them now."""
        try:
            wanted = json.loads((self.directory / "order").read_text())
            (self.directory / "order").unlink()
        except OSError:
            return
        names = []
        for _ in range(wanted["calls"]):
            directory, name, kind, *_ = self.single("value")
            key = f"c{self.next_key:06d}"
            self.next_key += 1
            self.note("plan", key=key, name=name, kind=kind, parents=[], retries=0)
            future = executor.with_options(warm=WAIT).submit(
                make, directory, name, kind, wanted["seconds"], wanted["size"]
            )
            if self.accepted([key], [future]):
                names.append(name)
        self.note("ordered", names=names)

    def accepted(self, keys: Sequence[str], futures: Sequence[Future[Any]]) -> bool:
        """Note that calls were submitted, and follow them; return False if the disk is full."""
        if futures[0].done() and isinstance(futures[0].exception(), PayloadError):
            self.note("refused", keys=keys, error=repr(futures[0].exception()))
            return False
        self.note("submitted", keys=keys, bundle=futures[0].bundle.key)
        for key, future in zip(keys, futures, strict=True):
            assert future.key == key, "the journal is wrong about keys"
            self.follow(key, future)
        return True

    def cancel(self) -> None:
        """Cancel a call that has not ended, if there is one."""
        key = next((key for key in reversed(self.futures) if not self.futures[key].done()), None)
        if key is not None:
            self.note("cancel", key=key)
            self.futures[key].cancel()

    def run(self) -> None:
        executor = self.open()
        with contextlib.suppress(PayloadError):  # the disk is full
            self.table = executor.share(table())
        while not (self.directory / "stop").exists():
            self.serve_order(executor)
            if sum(not future.done() for future in self.futures.values()) < self.under_way:
                self.submit(executor)
            if self.rng.random() < CANCELS:
                self.cancel()
            time.sleep(self.rng.uniform(*PAUSE))
        self.note("waiting")
        wait(self.futures.values())
        self.note("all ended")
        executor.shutdown()
        self.note("shut down")


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(threadName)s: %(message)s", level=logging.INFO)
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # to find out where the client hangs
    Client(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])).run()
