"""What ``BUNDLE.outcomes`` holds: the outcome of each call, authenticated, and unpickled on request."""

from __future__ import annotations

import io
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_futures.errors import (
    BrokenCondorExecutor,
    DependencyError,
    JobCrashedError,
    OutcomeError,
    PythonMismatchError,
    RemoteExceptionError,
    RemoteTraceback,
    words,
)
from condor_futures.execution_point import runner
from condor_futures.files.private_files import open_regular

__all__ = ["Outcome", "OutcomeUnpickler", "read_outcomes", "signal_name"]


class OutcomeUnpickler(runner.Unpickler):
    """Finds what is ours under the name that it has here."""

    def find_class(self, module: str, name: str) -> Any:
        """The object *name* of *module*, as the job's modules are called here."""
        return super().find_class(
            "condor_futures.execution_point.shell"
            if module in ("condor_futures_shell", "condor_futures.shell")
            else module,
            name,
        )


def _loads(segments: Sequence[bytes | bytearray]) -> Any:
    return OutcomeUnpickler(io.BytesIO(segments[0]), buffers=segments[1:]).load()


@dataclass(frozen=True)
class Outcome:
    """What came back of one call: authenticated, not yet unpickled."""

    call: str
    result: str
    header: Mapping[str, Any]
    segments: Sequence[bytes | bytearray]

    @property
    def stream_ranges(self) -> dict[str, Any]:
        """Where in the job's standard output and error that of the call is."""
        return {stream: self.header[stream] for stream in ("stdout", "stderr") if stream in self.header}

    def unpickle(self, job_id: str | None, stderr_tail: str = "") -> tuple[Any, BaseException | None]:
        """The value and ``None``, or ``None`` and the exception.

        Never raises: what goes wrong in unpickling is the exception.
        """
        if self.result == "crashed":
            return None, self._crash(job_id, stderr_tail)
        if self.result == "python":
            return None, self._mismatch(job_id)
        if self.result == "dependency":
            return None, self._dependency()
        try:
            loaded = _loads(self.segments) if self.segments else None
        except BaseException as error:  # noqa: BLE001 - unpickling runs the user's code
            origin = f" from job {job_id}" if job_id else ""
            refused = OutcomeError(
                f"the {self.result} of the call came back{origin} but cannot be unpickled here: "
                f"{type(error).__name__}: {words(error)}"
            )
            refused.__cause__ = error
            return None, refused
        if self.result == "value":
            return loaded, None
        return None, self._raised(loaded, job_id)

    def _raised(self, error: BaseException | None, job_id: str | None) -> BaseException:
        header = self.header
        if not isinstance(error, BaseException):
            why = header.get("unpicklable", "")
            # BaseException.__reduce__ calls the class with what its own __init__ was given.
            advice = (
                "; its __init__() has to pass all its arguments to super().__init__()" if "__init__()" in why else ""
            )
            error = RemoteExceptionError(
                f"the call raised {header['type_name']}, which cannot be pickled ({why}{advice}): {header['message']}",
                header["type_name"],
            )
        # (a frozen dataclass that is an exception refuses to have its attributes set, and a class may have a property
        # of that name)
        cause = RemoteTraceback(header["traceback"], header["host"], job_id)
        vars(BaseException)["__cause__"].__set__(error, cause)
        if self.result == "initializer":
            broken = BrokenCondorExecutor(f"the initializer raised {header['type_name']}: {header['message']}")
            broken.__cause__ = error
            return broken
        return error

    def _crash(self, job_id: str | None, stderr_tail: str) -> JobCrashedError:
        number, status, stage = (self.header.get(name) for name in ("signal", "exit_status", "stage"))
        how = f"was killed by {signal_name(number)}" if number is not None else f"left with exit status {status}"
        when = {"start": " before it could make the call", "initializer": " in the initializer"}.get(str(stage), "")
        where = f"job {job_id} on {self.header['host']}" if job_id else f"on {self.header['host']}"
        return JobCrashedError(
            f"the Python of the call {how}{when} ({where})",
            job_id=job_id,
            signal=number,
            exit_status=status,
            stderr_tail=stderr_tail,
        )

    def _dependency(self) -> DependencyError:
        parent = self.header["parent"]
        which = f"the call {parent}" if parent.startswith("c") else "another executor's future"
        return DependencyError(
            f"the value of {which}, which this call takes, was not there when it was to be made: that one failed or "
            "was cancelled, or its value could not be handed on"
        )

    def _mismatch(self, job_id: str | None) -> PythonMismatchError:
        header = self.header
        return PythonMismatchError(
            f"the execution point {header['host']} runs Python {header['here']} ({header['executable']}) and has no "
            f"python{header['wanted']} on PATH, but the client runs Python {header['wanted']}; use a container_image "
            f"or requirements that give the jobs Python {header['wanted']}",
            job_id=job_id,
        )


def signal_name(number: int) -> str:
    """``SIGKILL (signal 9)`` for 9; ``signal 99`` where there is no such name.

    >>> signal_name(9)
    'SIGKILL (signal 9)'
    """
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"


#: What the header of an outcome says in words, by its result.
_RAISED = ("type_name", "message", "traceback")


_WORDS = {
    "value": (),
    "exception": _RAISED,
    "initializer": _RAISED,
    "crashed": (),
    "python": ("here", "wanted", "executable"),
    "dependency": ("parent",),
}


def _is_outcome(header: Mapping[str, Any]) -> bool:
    """Whether all is there that is read of it: a call has the session's secret, and may write anything."""
    result, missing = header.get("result"), (header.get("unpicklable", ""), header.get("stage", ""))
    said = [header.get(name) for name in ("call", "host", *_WORDS.get(str(result), ()))]
    numbers = [header.get(name) for name in ("signal", "exit_status")]
    ranges = [header.get(stream, [0, 0]) for stream in ("stdout", "stderr")]
    return (
        isinstance(result, str)
        and result in _WORDS
        and all(isinstance(text, str) for text in (*said, *missing))
        and all(number is None or type(number) is int for number in numbers)
        and all(isinstance(part, list) and len(part) == 2 for part in ranges)  # noqa: PLR2004 - beginning and end
        and all(place is None or type(place) is int for part in ranges for place in part)
    )


def read_outcomes(path: Path, *, session: str, secret: bytes) -> tuple[dict[str, Outcome], str | None]:
    """The authentic outcomes in ``BUNDLE.outcomes`` by call key, and why reading ended early, if it did.

    A file that does not exist holds none.  An outcome of another session is not authentic.  Of several outcomes of one
    call the first counts, as it does for the runner, and for calls that take the value.
    """
    outcomes: dict[str, Outcome] = {}
    try:
        with open_regular(path) as file:
            for header, segments in runner.read_frames(file, secret):
                if header.get("kind") != "outcome" or header.get("session") != session:
                    return outcomes, "it is not of this session"
                if not _is_outcome(header):
                    return outcomes, "it says something that no outcome says"
                outcomes.setdefault(header["call"], Outcome(header["call"], header["result"], header, segments))
    except FileNotFoundError:
        return outcomes, None
    except (runner.FrameError, OSError) as error:
        return outcomes, str(error)
    return outcomes, None
