"""What a script with a neighbour package of 200 files costs: its import, what is sent, and the start of a job.

The script and the package are made in a temporary directory. The times of jobs are those of ``start.py``: milliseconds
from the start to the end of the process, in pairs with a job that has no modules. One job calls a function of the
package, so that it unpacks and imports the package. Another calls a builtin function: the package is only sent.

    python benchmarks/neighbours.py --runs 100 --files 200

The machine has to be quiet. CPU times are disturbed less than wall times. ``--against DIRECTORY`` measures the package
``condor_futures`` of another checkout in the same way, for a comparison of versions.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from report import environment
from start import SECRET, SESSION, run, show

from condor_futures.calls.outcomes_file import read_outcomes

REPOSITORY = Path(__file__).parents[1]

MODULE = '''
"""Module {number} of a package."""
import dataclasses
@dataclasses.dataclass
class Thing{number}:
    name: str
    size: float = {number}
''' + "".join(
    f"""
    def method_{line}(self, x, y=None):
        \"\"\"Return a number, as methods do.\"\"\"
        return [self.size * one + {line} for one in range(x) if one is not y]
"""
    for line in range(20)
)

#: Prepares jobs: with the modules and without them, of a function of the package and of a builtin function.
SCRIPT = """
import json, sys, time, zipfile
from pathlib import Path
import package
from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.code import CodePacker
from condor_futures.calls.pickling import pickle_object
from condor_futures.execution_point.code import MEMBER
from condor_futures.execution_point.packing import pack_runner
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session

def job(directory, packed, code, function, *args):
    directory.mkdir()
    (directory / "run").write_bytes(packed)
    (directory / "run").chmod(0o700)
    parts = pickle_object(function, "function", ship=ship), pickle_object((args, {}), "arguments", ship=ship)
    with (directory / "b000000.calls").open("wb") as file:
        write_bundle(file, [Call("c000000", *parts)], session="20260101-000000-0a1b2c3d", bundle="b000000",
                     secret=bytes(32), code=code)

if __name__ == "__main__":
    to, ship = Path(sys.argv[1]), Shipping("auto")
    session = Session.create(to / "session")
    packer = CodePacker(session)
    began = time.perf_counter()
    code = packer.code(ship)
    packing = time.perf_counter() - began
    began = time.perf_counter()
    packer.code(ship)
    again = time.perf_counter() - began
    modules = zipfile.ZipFile(session.runner_with(code)).read(MEMBER)
    session.remove()
    packed, bare = pack_runner(modules=modules), pack_runner()
    job(to / "without", bare, None, pow, 2, 10)
    job(to / "sent", packed, code, pow, 2, 10)
    job(to / "imported", packed, code, package.work, 3)
    json.dump({"packed": len(packed), "bare": len(bare), "packing": packing, "again": again}, sys.stdout)
"""


def write(directory: Path, files: int) -> None:
    (directory / "package").mkdir()
    for number in range(files - 1):
        (directory / "package" / f"m{number}.py").write_text(MODULE.format(number=number))
    imports = "".join(f"from . import m{number}\n" for number in range(files - 1))
    (directory / "package" / "__init__.py").write_text(f"{imports}def work(x): return m0.Thing0('a').method_1(x)\n")
    (directory / "script.py").write_text(SCRIPT)


def import_times(runs: int, checkout: Path) -> tuple[float, float]:
    """Return the median milliseconds of CPU time of a Python that imports nothing, and of one with this package."""
    taken: dict[str, list[float]] = {"pass": [], "import condor_futures": []}
    for _ in range(runs):
        for program, times in taken.items():
            argv = [sys.executable, "-c", program]
            pid = os.posix_spawn(sys.executable, argv, {**os.environ, "PYTHONPATH": str(checkout)})
            _, status, used = os.wait4(pid, 0)
            assert status == 0
            times.append((used.ru_utime + used.ru_stime) * 1e3)
    bare, imported = map(statistics.median, taken.values())
    return bare, imported


def clear(directory: Path) -> None:
    """Check that the call of the job has a value, and let the job run again."""
    path = directory / "b000000.outcomes"
    outcomes, trouble = read_outcomes(path, session=SESSION, secret=SECRET)
    assert trouble is None
    assert outcomes["c000000"].result == "value", outcomes["c000000"].header
    path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--against", type=Path, default=REPOSITORY, help="the directory of another checkout")
    options = parser.parse_args()
    bare, imported = import_times(max(options.runs // 5, 3), options.against)
    print(f"import condor_futures: {imported - bare:.1f} ms of CPU time more than the {bare:.1f} ms of Python")
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory), options.files)
        command = [sys.executable, "script.py", directory]
        environ = {**os.environ, "PYTHONPATH": str(options.against)}
        # The first run lets Python cache the bytecode of the package.
        subprocess.run([sys.executable, "-c", "import package"], cwd=directory, env=environ, check=True)
        done = subprocess.run(command, cwd=directory, env=environ, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        print(
            f"runner: {found['bare'] / 1e3:.0f} kB without modules, {found['packed'] / 1e3:.0f} kB with the package of "
            f"{options.files} files; packed in {found['packing'] * 1e3:.0f} ms, again in {found['again'] * 1e3:.2f} ms"
        )
        os.environ.pop("PYTHONPATH", None)
        for name in ("sent", "imported"):
            taken: list[list[tuple[float, float]]] = [[], []]
            for number in range(-2, options.runs):
                for way in (0, 1) if number % 2 else (1, 0):
                    job = Path(directory, (name, "without")[way])
                    times = run(job)
                    clear(job)
                    if number >= 0:
                        taken[way].append(times)
            os.chdir("/")
            print(f"a job to which the package is {name}, and one without modules, {options.runs} pairs")
            for index, kind in enumerate(("wall", "CPU")):
                show(kind, *([times[index] for times in way] for way in taken))
    print(environment()["text"])


if __name__ == "__main__":
    main()
