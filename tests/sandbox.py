"""A job without HTCondor: the packed runner, in a directory of its own, started with the key of a bundle.

Only the job is fake. The client's own code writes the calls and reads the outcomes.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from condor_futures.calls import pickling
from condor_futures.calls.calls_file import Call, Manner, write_bundle
from condor_futures.calls.code import CodePacker
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.calls.pickling import pickle_object
from condor_futures.execution_point.code import MEMBER
from condor_futures.execution_point.packing import pack_runner
from condor_futures.options.ship import Shipping
from condor_futures.resolving.failures import value_or_error
from condor_futures.session.session import Session
from condor_futures.session.shared_objects import SharedObjects

SESSION, SECRET, BUNDLE = "20260101-000000-0a1b2c3d", bytes(range(32)), "b000000"
#: The Python of the execution point. It is outside any virtual environment, and has neither our package nor
#: cloudpickle.
PYTHON = sys._base_executable


class Sandbox:
    """A job's scratch directory with one bundle in it.

    Attributes:
        line: the directory of the access point that the job writes outcomes to as its calls end; None if it does not.
        environment: the variables of the job.

    """

    def __init__(self, path: Path, line: Path | None = None, **environment: str) -> None:
        self.path = path
        self.line = line
        self.environment = environment
        self.outcomes_file = path / f"{BUNDLE}.outcomes"
        self.install([PYTHON])

    def install(self, pythons, modules=None, environments: Path | None = None) -> None:
        (self.path / "runner").write_bytes(pack_runner(pythons, modules=modules, environments=environments))
        (self.path / "runner").chmod(0o700)

    def write(
        self,
        *calls,
        key_of=pickling._refuse_future,
        initializer=None,
        pickled_initializer=None,
        shared: SharedObjects | None = None,
        objects: Path | None = None,
        environment: Path | None = None,
        **options,
    ) -> None:
        """Write a bundle of calls, each ``(function, *args)``, with the keys c000000, c000001 ...

        They may take *shared* objects, whose directory the job finds as *objects*.
        """
        refer = {"key_of": key_of, **({} if shared is None else {"needs": shared.needs})}
        functions = {fn: pickle_object(fn, "function", **refer) for fn, *_ in calls}
        made = [
            Call(f"c{number:06d}", functions[fn], pickle_object((tuple(args), {}), "(args, kwargs)", **refer))
            for number, (fn, *args) in enumerate(calls)
        ]
        if initializer is not None:
            fn, *args = initializer
            pickled_initializer = pickle_object((fn, tuple(args)), "(initializer, initargs)")
        with (self.path / f"{BUNDLE}.calls").open("wb") as file:
            manner = Manner(initializer=pickled_initializer, stream=self.line, **options)
            about = {"session": SESSION, "bundle": BUNDLE, "secret": SECRET}
            write_bundle(file, made, **about, objects=objects, environment=environment, manner=manner)

    def run_as_shipped(self, *calls, ship="auto", initializer=None) -> list:
        """Run calls as an executor with the option *ship* does: in a job that has the client's modules."""
        shipping = Shipping(ship)
        if initializer is not None:
            fn, *args = initializer
            initializer = pickle_object((fn, tuple(args)), "(initializer, initargs)", ship=shipping)
        made = [
            Call(
                f"c{number:06d}",
                pickle_object(fn, "function", ship=shipping),
                pickle_object((tuple(args), {}), "(args, kwargs)", ship=shipping),
            )
            for number, (fn, *args) in enumerate(calls)
        ]
        session = Session.create(self.path / "session")
        packer = CodePacker(session)
        for call in made:
            packer.want(call.function.modules | call.arguments.modules)
        code = packer.code(shipping)
        modules = zipfile.ZipFile(session.runner_with(code)).read(MEMBER) if code is not None else None
        self.install([PYTHON], modules)
        session.remove()
        with (self.path / f"{BUNDLE}.calls").open("wb") as file:
            manner = Manner(initializer=initializer)
            write_bundle(file, made, session=SESSION, bundle=BUNDLE, secret=SECRET, code=code, manner=manner)
        self.finish(PYTHONPATH="")
        return self.results()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        """Start the job as the starter does, with files for its standard output and error."""
        with (self.path / "stdout").open("wb") as out, (self.path / "stderr").open("wb") as err:
            return subprocess.Popen(
                ["./runner", BUNDLE, *arguments],
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **self.environment, **environment},
            )

    def run(self, *calls, timeout: float = 60.0, **options) -> list:
        """Write a bundle, run it to its end, and return the value or error of each call."""
        self.write(*calls, **options)
        self.finish(timeout)
        return self.results()

    def finish(self, timeout: float = 60.0, arguments: Sequence[str] = (), **environment: str) -> int:
        with self.start(*arguments, **environment) as process:
            try:
                self.status = process.wait(timeout)
            finally:
                process.kill()
        return self.status

    def outcomes(self):
        outcomes, trouble = read_outcomes(self.outcomes_file, session=SESSION, secret=SECRET)
        assert trouble is None
        return outcomes

    def results(self) -> list:
        """Return the value or error of each call, in the order of the calls."""
        unpickled = [value_or_error(outcome, "7.0") for _, outcome in sorted(self.outcomes().items())]
        return [value if error is None else error for value, error in unpickled]

    @property
    def stdout(self) -> str:
        return (self.path / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.path / "stderr").read_text()

    def stream(self, name: str, call: str) -> str:
        """Return what the call wrote, using the range in its outcome."""
        start, end = self.outcomes()[call].header[name]
        return (self.path / name).read_bytes()[start:end].decode()


def note(path, word, value=None):
    """Write a line to show that the call ran."""
    with Path(path).open("a") as file:
        file.write(f"{word}\n")
    return value


def note_and(path, word, then, *args):
    note(path, word)
    return then(*args)


def kill_itself(number):
    os.kill(os.getpid(), number)


def kill_the_group(number):
    """Kill the process group, as ``kill 0`` in a script does."""
    os.killpg(0, number)


def read_null():
    ctypes.string_at(0)


def fail(message):
    raise ValueError(message)


def traces(job) -> list[str]:
    return (job.path / "traces").read_text().split()


def noted(word, *then):
    """Write a line to show that the call ran, and then call a function, if there is one."""
    return (note_and, "traces", word, *then) if then else (note, "traces", word)
