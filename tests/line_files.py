"""The two sides of the files of a warm job, without HTCondor: bundles as the client writes them, and the job's files.

Only the job is fake. The client's own code writes the calls and reads the outcomes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner, write_bundle
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.calls.stored_calls import bundle_secret
from condor_futures.execution_point.frames import read_frames, write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job

WARM = Options({}, spool=True, warm=60.0)


def write_calls(
    session: Session,
    number: int,
    calls: Mapping[str, Any] | Sequence[str],
    *,
    options: Options = WARM,
    functions: Sequence[Any] = (abs,),
    manner: Manner | None = None,
) -> Bundle:
    """Write a bundle, as the client does. *calls* are keys, perhaps with arguments; *functions* go in a circle."""
    arguments = calls if isinstance(calls, Mapping) else dict.fromkeys(calls, 1)
    key, directory = session.bundle_key(number), session.bundle_directory(number)
    pickled = [pickle_object(function, "function") for function in functions]
    made = [
        Call(call, function, pickle_object(((argument,), {}), "arguments", key_of))
        for (call, argument), function in zip(arguments.items(), itertools.cycle(pickled), strict=False)
    ]
    parents = {call.key: call.futures for call in made if call.futures}
    futures = {call: CondorFuture[Any](call) for call in arguments}
    bundle = Bundle(key, directory, options, futures, Job(key, options.spool))
    with session.create_file(bundle.path("calls")) as file:
        write_bundle(
            file,
            made,
            session=session.id,
            bundle=key,
            secret=session.secret,
            options=options.record(),
            manner=manner,
        )
    bundle.parents = parents
    return bundle


def key_of(future: Any) -> str:
    """The key of a future among the arguments."""
    return future.key


def initializer(function: Any) -> Manner:
    """Have the jobs call *function* first."""
    return Manner(initializer=pickle_object((function, ()), "initializer"))


def pickled(thing: Any) -> Pickled:
    """Pickle *thing*."""
    return pickle_object(thing, "function")


class JobSide:
    """One attempt of the job of an open bundle, or of a closed one that streams.

    It has what the job writes, and finds what is in its file of calls.
    """

    def __init__(
        self,
        session: Session,
        key: str,
        name: str = "00000000000000aa",
        directory: Path | None = None,
        secret: bytes | None = None,
    ) -> None:
        self.session, self.key = session.id, key
        self.secret = secret or bundle_secret(session.secret, key)
        self.path = (directory or session.line_directory(key)) / name
        self.path.with_suffix(".calls").touch()
        self.path.with_suffix(".outcomes").touch()
        self.note = session.given
        self.seen = 0

    def given(self, *calls: str) -> None:
        """Note that the job was given *calls*, as the client does."""
        with self.note.open("a") as file:
            file.write(f"{self.key} {' '.join(calls)}\n")

    def hello(self) -> JobSide:
        self.say(kind="hello", bundle=self.key, host="ep1")
        return self

    def say(self, segments: Sequence[bytes] = (), **header: Any) -> int:
        """Append a frame to the outcomes, and return where it begins."""
        with self.path.with_suffix(".outcomes").open("ab") as file:
            start = file.tell()
            write_frame(file, self.secret, {"session": self.session, **header}, segments)
        return start

    def outcome(self, call: str, value: object = None, took: float = 1.0, **header: Any) -> int:
        """Append the value of a call."""
        times = {"started": 1000.0, "ended": 1000.0 + took}
        fields = {"kind": "outcome", "call": call, "result": "value", "host": "ep1", **times, **header}
        return self.say(dumps(value), **fields)

    def frames(self) -> list[tuple[dict[str, Any], list[bytes | bytearray]]]:
        """Return all frames that the client wrote; each is authentic."""
        with self.path.with_suffix(".calls").open("rb") as file:
            return list(read_frames(file, self.secret))

    def heard(self) -> list[str]:
        """Return what the client wrote since the last time, in words."""
        words = []
        frames = self.frames()
        for header, _ in frames[self.seen :]:
            more = header.get("call", header.get("calls"))
            words.append(header["kind"] if more is None else f"{header['kind']} {more}")
        self.seen = len(frames)
        return words
