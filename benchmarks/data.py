"""Large values and shared objects."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from itertools import repeat
from pathlib import Path
from typing import Any

import work
from bare import Bare
from measuring import Goal, Row, Run, condor, in_new_process

from condor_futures.calls import stored_calls
from condor_futures.execution_point import line

MB = 1 << 20
REFERENCE = "the line alone"


def line_speed(megabytes: int) -> float:
    """The MB/s of four jobs that only write through the line, all at once."""
    with closing(Bare(spool=False)) as bare:
        keys = [f"line{number}" for number in range(work.SLOTS)]
        each = megabytes // work.SLOTS
        script, module = Path(__file__).parent / "line_speed.py", Path(line.__file__).parent
        commands = {
            "executable": sys.executable,
            "transfer_executable": "false",
            "arguments": f"{script} {bare.directory}/$(key) {each} {module}",
            "want_io_proxy": "true",
        }
        bare.run(commands, keys)
        times = [json.loads((bare.directory / f"{key}.stdout").read_text()) for key in keys]
    return each * len(keys) / (max(end for _, end in times) - min(began for began, _ in times))


def values(run: Run) -> list[Row]:
    """Values that arrive, and are dropped one by one. Zero bytes: nothing on the way compresses."""
    count, size = run.size(100, 4), run.size(10 * MB, 2 * MB)
    megabytes = count * size // MB

    def speed(executor: Any) -> float:
        began = time.perf_counter()
        for value in executor.map(bytes, [size] * count):
            assert len(value) == size
        return megabytes / (time.perf_counter() - began)

    ours = run.times(lambda: speed(run.executor()))
    run.free_the_slots()
    theirs = run.times(lambda: line_speed(megabytes))
    what = f"{count} values of {size // MB} MB"
    return [Row("values", what, "MB/s", ours, {REFERENCE: theirs}, [Goal(0.8, REFERENCE, at_least=True)], rate=True)]


class Counted:
    """An array that counts how often it is pickled."""

    pickled = 0

    def __init__(self, array: Any) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        Counted.pickled += 1
        return work.bare_array, (self.array,)


@contextmanager
def hidden() -> Iterator[None]:
    """Hide the session's directory from warm jobs, as on another machine: they then use the line."""
    write = stored_calls.write_frame

    def write_frame(file: Any, secret: bytes, header: Any, *segments: Any) -> None:
        write(file, secret, {**header, "objects": "/nowhere"}, *segments)

    stored_calls.write_frame = write_frame  # type: ignore[assignment]
    try:
        yield
    finally:
        stored_calls.write_frame = write


def share(size: int, count: int, *, line: bool, **options: Any) -> dict[str, float]:
    """Share an array of *size* bytes with some calls; through the *line* only, or as the jobs of this pool do."""
    import numpy as np

    with hidden() if line else nullcontext(), condor(**options) as executor:
        before, of_job = work.highest(), max(executor.map(work.highest, range(work.SLOTS)))
        array = np.ones(size, np.uint8)
        began = time.perf_counter()
        handle = executor.share(Counted(array))
        shared = time.perf_counter() - began
        del array
        told = list(executor.map(work.look, repeat(handle), range(count), chunksize=-(-count // work.SLOTS)))
        done = time.perf_counter() - began
        objects = executor.session / "objects"
        stored = sum(path.stat().st_size for path in objects.iterdir())
        return {
            "share": shared,
            "done": done,
            "pickled": Counted.pickled,
            "stored": stored / size,
            "copies": len({(pid, place) for pid, place, *_ in told}),
            "client": (work.highest() - before) / size,
            "job": (max(memory for _, _, memory, _ in told) - of_job) / size,
        }


def shared(run: Run) -> list[Row]:
    """The copies in the jobs' processes are counted: each has come to its job once, through the line."""
    size, count = run.size(1 << 30, 1 << 20), run.size(100, 8)
    run.free_the_slots()
    taken = [in_new_process(share, size, count, line=True) for _ in range(run.rounds)]
    others = {"read in the session": {}, "a job per chunk": {"warm": 0.0}} if not run.quick else {}
    done = {"through the line": [one["done"] for one in taken]}
    for words, options in others.items():
        told = [in_new_process(share, size, count, line=False, **options) for _ in range(run.rounds)]
        done[words] = [one["done"] for one in told]
    what = f"{'1 GB' if size == 1 << 30 else '1 MB'} shared by {count} calls:"
    rows = []
    for name, words, unit, goal in (
        ("pickled", "pickled", "times", Goal(1)),
        ("stored", "stored", "copies", Goal(1.001)),
        ("copies", "unpickled in 4 jobs", "times", Goal(4)),
        ("client", "peak memory of the client", "copies", Goal(2)),
        ("job", "peak memory of a job", "copies", Goal(2)),
        ("share", "executor.share", "s", None),
    ):
        numbers = [one[name] for one in taken]
        rows.append(Row(f"shared-{name}", f"{what} {words}", unit, numbers, goals=[goal] if goal else []))
    for words, numbers in done.items():
        rows.append(Row(f"shared-done-{words.replace(' ', '-')}", f"{what} all done, {words}", "s", numbers))
    return rows


CASES = {"values": values, "shared": shared}
