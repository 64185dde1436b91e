"""A warm job without HTCondor: the packed runner in a process of its own, a fake Chirp proxy, and the client."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from pathlib import Path
from typing import Any

import psutil
from chirp_proxy import ChirpProxy
from sandbox import BUNDLE, SECRET, SESSION, Sandbox
from support import until

from condor_futures.calls import pickling
from condor_futures.calls.calls_file import Call, Manner, copy_outcome_at, write_bundle
from condor_futures.calls.making import shared_by
from condor_futures.calls.outcomes_file import Outcome, outcome_at, read_outcomes
from condor_futures.calls.pickling import pickle_object
from condor_futures.calls.stored_calls import StoredCalls, bundle_secret
from condor_futures.execution_point.frames import skim
from condor_futures.files.attempts import find_attempts
from condor_futures.resolving.failures import value_or_error
from condor_futures.session.shared_objects import SharedObjects
from condor_futures.watching.connections import Connection

KEY = bundle_secret(SECRET, BUNDLE)


class WarmSandbox(Sandbox):
    """A warm job's scratch directory, and the client's side.

    Attributes:
        proxy: the job's Chirp proxy.
        directory: the job's directory on the access point.
        connection: the client's, once the job has begun.
        frames: the headers that the job wrote, without outcomes.

    """

    def __init__(self, path: Path) -> None:
        (path / "job").mkdir()
        self.directory = path / "line"
        self.directory.mkdir()
        self.client = path / "client"
        self.client.mkdir()
        super().__init__(path / "job")
        self.proxy = ChirpProxy(self.directory)
        self.process: subprocess.Popen | None = None
        self.connection: Connection | None = None
        self.frames: list[dict[str, Any]] = []
        self.arrived: dict[str, Outcome] = {}
        self._numbers = itertools.count()
        self._stored = itertools.count()

    # The client writes.

    def store(
        self, *calls, key_of=pickling._refuse_future, parents=(), shared: SharedObjects | None = None, **manner
    ) -> tuple[StoredCalls, list[str]]:
        """Write calls, each ``(function, *args)``, to a file of the client, with outcomes that they take.

        The job may read the *shared* objects that they take.
        """
        refer = {"key_of": key_of, **({} if shared is None else {"needs": shared.needs})}
        functions = {fn: pickle_object(fn, "function", **refer) for fn, *_ in calls}
        made = [
            Call(key, functions[fn], pickle_object((tuple(args), {}), "(args, kwargs)", **refer))
            for (fn, *args), key in zip(calls, map("c{:06d}".format, self._numbers), strict=False)
        ]
        for name in shared_by(made, Manner()):
            shared.lend(name, self.directory)
        path = self.client / f"{next(self._stored)}.calls"
        with path.open("wb") as file:
            write_bundle(file, made, session=SESSION, bundle="b000009", secret=SECRET, manner=Manner(**manner))
            for outcome in parents:
                copy_outcome_at(file, *outcome, session=SESSION, source=KEY, secret=SECRET)
        return StoredCalls(path), [call.key for call in made]

    def open(self, *, warm: float = 60.0, lifetime: float = 3600.0, initializer=None, pickled=None, **manner) -> None:
        """Write the open bundle with which the job comes."""
        if initializer is not None:
            fn, *args = initializer
            pickled = pickle_object((fn, tuple(args)), "(initializer, initargs)")
        stored, _ = self.store(initializer=pickled, **manner)
        line = {"directory": self.proxy.alias, "warm": warm, "lifetime": lifetime}
        with (self.path / f"{BUNDLE}.calls").open("wb") as file:
            stored.write_open(file, BUNDLE, {}, line)

    def begin(self, *, met: bool = True, **options) -> subprocess.Popen:
        """Start the job, and wait for its hello if it is *met*."""
        if not (self.path / f"{BUNDLE}.calls").exists() or options:
            self.open(**options)
        (self.path / "chirp").write_text(self.proxy.config)
        self.process = self.start(_CONDOR_CHIRP_CONFIG=str(self.path / "chirp"), _CONDOR_SCRATCH_DIR=str(self.path))
        if met:
            self.meet()
        return self.process

    def meet(self) -> None:
        """Connect to the newest attempt of the job."""
        known = len(find_attempts(self.directory)) if self.connection is not None else 0
        until(lambda: self.stopped() or len(find_attempts(self.directory)) > known, 30)
        self.connect(find_attempts(self.directory)[-1])
        until(lambda: self.read() or any(frame["kind"] == "hello" for frame in self.frames), 30, 0.002)

    def connect(self, name: str) -> None:
        """Connect as a client that attaches does."""
        self.disconnect()
        self.connection = Connection(self.directory, name, KEY, 0)

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def give(self, *calls, **options) -> list[str]:
        """Hand calls to the job; return their keys."""
        stored, keys = self.store(*calls, **options)
        self.connection.hand_out(stored, keys)
        assert self.connection.send()
        return keys

    def say(self, **header) -> None:
        self.connection.say(**header)
        assert self.connection.send()

    # The client reads.

    def read(self) -> None:
        """Take in what the job has written, and check it as the client does."""
        for header, start in self.connection.read():
            if header["kind"] == "outcome":
                with self.connection.outcomes.open("rb") as file:
                    outcome = outcome_at(file, start, header["call"], session=SESSION, secret=KEY)
                assert header["call"] not in self.arrived, "an outcome came twice"
                self.arrived[header["call"]] = outcome
            else:
                self.frames.append(header)

    def wait_for(self, keys, timeout: float = 30.0) -> list:
        """Wait for the outcomes of calls; return the value or the error of each."""
        until(lambda: self.read() or all(key in self.arrived for key in keys), timeout, 0.002)
        return [self.result(self.arrived[key]) for key in keys]

    def make(self, *calls, **options) -> list:
        """Have calls made, and return the value or error of each."""
        return self.wait_for(self.give(*calls, **options))

    def wait_for_frame(self, kind: str) -> dict[str, Any]:
        """Wait for the next frame of this kind, and return its header."""
        until(lambda: self.read() or any(frame["kind"] == kind for frame in self.frames), 30, 0.002)
        return self.frames.pop([frame["kind"] for frame in self.frames].index(kind))

    def recall(self, calls: int) -> list[str]:
        """Recall some of the calls; return those that the job gives back."""
        self.say(kind="recall", calls=calls)
        return self.wait_for_frame("returned")["calls"]

    def leave(self) -> int:
        """Let the job leave; return its exit status."""
        self.say(kind="leave")
        status = self.process.wait(30)
        self.read()
        return status

    @staticmethod
    def result(outcome: Outcome) -> Any:
        value, error = value_or_error(outcome, "7.0")
        return value if error is None else error

    def brought(self) -> dict[str, Any]:
        """Return what comes back in the sandbox's file: the value or error of each call."""
        outcomes, trouble = read_outcomes(self.outcomes_file, session=SESSION, secret=KEY)
        assert trouble is None
        return {key: self.result(outcome) for key, outcome in outcomes.items()}

    def brought_so_far(self) -> list[str]:
        """Return the keys of the calls that have an outcome in the sandbox's file."""
        with self.outcomes_file.open("rb") as file:
            return [header["call"] for header, _, _ in skim(file)]

    def text(self, stream: str, key: str) -> str:
        """Return what a call wrote, from the copy on the access point."""
        start, end = self.arrived[key].header[stream]
        return self.connection.path.with_suffix(f".{stream}").read_bytes()[start:end].decode()

    def stopped(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None

    def close(self) -> None:
        self.disconnect()
        if self.process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
                    process.kill()
            self.process.wait()
        self.proxy.close()


def echo(value):
    """Return the argument."""
    return value


def identify(*_):
    """Return the id of the process that makes the calls."""
    return os.getpid()
