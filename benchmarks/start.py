"""Milliseconds that a job's Python takes for one call that does nothing, from the start to the end of its process.

They are compared with another way to run the call, in the same run. The other way is a bare Python script (the one of
``bare.py``) or, with ``--against``, the packed runner of another version::

    python -c 'import sys; from condor_futures.execution_point.packing import pack_runner as pack
    sys.stdout.buffer.write(pack())' > other

The two run in pairs, and the order in each pair alternates. The output has wall times and CPU times. Other work on the
machine disturbs the CPU times less.
"""

from __future__ import annotations

import argparse
import os
import pickle
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from bare import JOB
from report import environment

from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.calls.pickling import pickle_object
from condor_futures.execution_point.packing import pack_runner

SESSION, SECRET = "20260101-000000-0a1b2c3d", bytes(32)


def executable(directory: Path, content: bytes) -> Path:
    path = directory / "run"
    path.write_bytes(content)
    path.chmod(0o700)
    return path


def prepare_runner(directory: Path, packed: bytes, call: Sequence[Any]) -> Callable[[], None]:
    """Make a job's directory.

    The returned function checks the outcome of the last run and removes it, so that the job can run again.
    """
    function, *arguments = call
    made = Call("c000000", pickle_object(function, "function"), pickle_object((tuple(arguments), {}), "arguments"))
    executable(directory, packed)
    with (directory / "b000000.calls").open("wb") as file:
        write_bundle(file, [made], session=SESSION, bundle="b000000", secret=SECRET)
    path = directory / "b000000.outcomes"

    def check() -> None:
        outcomes, trouble = read_outcomes(path, session=SESSION, secret=SECRET)
        assert trouble is None
        assert outcomes["c000000"].load() == function(*arguments)
        path.unlink()

    return check


def prepare_bare(directory: Path, call: Sequence[Any]) -> Callable[[], None]:
    function, *arguments = call
    executable(directory, JOB.format(python=sys.executable).encode())
    (directory / "b000000.in").write_bytes(pickle.dumps((function, arguments), 5))
    path = directory / "b000000.out"

    def check() -> None:
        assert pickle.loads(path.read_bytes()) == function(*arguments)
        path.unlink()

    return check


def run(directory: Path) -> tuple[float, float]:
    """Return the wall and CPU milliseconds of the job in *directory*. The CPU time is that of all its processes."""
    os.chdir(directory)  # no process between this one and the job: the measurement would include its start
    began = perf_counter()
    pid = os.posix_spawn("./run", ["./run", "b000000"], os.environ)
    _, status, used = os.wait4(pid, 0)
    wall = perf_counter() - began
    assert status == 0
    return wall * 1e3, (used.ru_utime + used.ru_stime) * 1e3


def show(name: str, ours: list[float], theirs: list[float]) -> None:
    ratio = statistics.median(ours) / statistics.median(theirs)
    more = statistics.median(one - other for one, other in zip(ours, theirs, strict=True))
    print(
        f"  {name:<5}  other {statistics.median(theirs):6.2f} ms   ours {statistics.median(ours):6.2f} ms   "
        f"ratio of the medians {ratio:.3f}   median of the differences {more:+.2f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--against", type=Path, help="a packed runner; by default a bare Python script")
    arguments = parser.parse_args()
    packed, other = pack_runner(), arguments.against and arguments.against.read_bytes()
    calls: dict[str, tuple[Any, ...]] = {"by reference": (pow, 2, 10)}
    if other:  # a bare script has no cloudpickle
        calls["by value"] = (lambda base, exponent: base**exponent, 2, 10)
    # Remove from os.environ what makes a job's Python find this package.
    os.environ.pop("PYTHONPATH", None)
    for name, call in calls.items():
        with tempfile.TemporaryDirectory() as ours_at, tempfile.TemporaryDirectory() as theirs_at:
            ways = [Path(ours_at), Path(theirs_at)]
            checks = [
                prepare_runner(ways[0], packed, call),
                prepare_runner(ways[1], other, call) if other else prepare_bare(ways[1], call),
            ]
            taken: list[list[tuple[float, float]]] = [[], []]
            for number in range(-5, arguments.runs):
                for way in (0, 1) if number % 2 else (1, 0):
                    times = run(ways[way])
                    checks[way]()
                    if number >= 0:  # the first runs read the files into memory
                        taken[way].append(times)
            os.chdir("/")
        print(f"a function {name}, {arguments.runs} pairs")
        for index, kind in enumerate(("wall", "CPU")):
            show(kind, *([times[index] for times in way] for way in taken))
    print(environment()["text"])


if __name__ == "__main__":
    main()
