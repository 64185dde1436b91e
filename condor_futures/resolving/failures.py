"""Every error that a call fails with, and what an exception of the call's own is told besides."""

from __future__ import annotations

import contextlib
import re
import signal
from concurrent.futures import CancelledError
from typing import Any, Final

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.outcomes_file import Outcome
from condor_futures.errors import (
    AccessPointError,
    BrokenCondorExecutor,
    CondorFuturesError,
    DependencyError,
    JobCrashedError,
    JobHeldError,
    JobLostError,
    JobRemovedError,
    JobTimeLimitError,
    OutcomeError,
    PythonMismatchError,
    RemoteExceptionError,
    RemoteTraceback,
    words,
)
from condor_futures.options.ship import file_of_the_users
from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import NO_INITIAL_DIRECTORY
from condor_futures.submit.commands import ALIASES, KNOWN, OPTIONS, OWNED

__all__ = ["advise", "bug", "dependency_failed", "missing", "removed", "session_left", "signal_name", "value_or_error"]

_UNEXPECTED: Final = re.compile(r"got an unexpected keyword argument '(\w+)'")


def value_or_error(outcome: Outcome, job_id: str | None, stderr_tail: str = "") -> tuple[Any, BaseException | None]:
    """The value and ``None``, or ``None`` and the exception.

    Never raises: what goes wrong in unpickling is the exception.
    """
    if outcome.result == "crashed":
        return None, _crash(outcome, job_id, stderr_tail)
    if outcome.result == "python":
        return None, _mismatch(outcome, job_id)
    if outcome.result == "dependency":
        return None, _dependency(outcome)
    try:
        loaded = outcome.load()
    except BaseException as error:  # noqa: BLE001 - unpickling runs the user's code
        origin = f" from job {job_id}" if job_id else ""
        refused = OutcomeError(
            f"the {outcome.result} of the call came back{origin} but cannot be unpickled here: "
            f"{type(error).__name__}: {words(error)}"
        )
        refused.__cause__ = error
        return None, refused
    if outcome.result == "value":
        return loaded, None
    return None, _raised(outcome, loaded, job_id)


def _raised(outcome: Outcome, error: BaseException | None, job_id: str | None) -> BaseException:
    header = outcome.header
    if not isinstance(error, BaseException):
        why = header.get("unpicklable", "")
        # BaseException.__reduce__ calls the class with what its own __init__ was given.
        advice = "; its __init__() has to pass all its arguments to super().__init__()" if "__init__()" in why else ""
        error = RemoteExceptionError(
            f"the call raised {header['type_name']}, which cannot be pickled ({why}{advice}): {header['message']}",
            header["type_name"],
        )
    # (a frozen dataclass that is an exception refuses to have its attributes set, and a class may have a property
    # of that name)
    cause = RemoteTraceback(header["traceback"], header["host"], job_id)
    vars(BaseException)["__cause__"].__set__(error, cause)
    if outcome.result == "initializer":
        broken = BrokenCondorExecutor(f"the initializer raised {header['type_name']}: {header['message']}")
        broken.__cause__ = error
        return broken
    return error


def _crash(outcome: Outcome, job_id: str | None, stderr_tail: str) -> JobCrashedError:
    number, status, stage = (outcome.header.get(name) for name in ("signal", "exit_status", "stage"))
    how = f"was killed by {signal_name(number)}" if number is not None else f"left with exit status {status}"
    when = {"start": " before it could make the call", "initializer": " in the initializer"}.get(str(stage), "")
    where = f"job {job_id} on {outcome.header['host']}" if job_id else f"on {outcome.header['host']}"
    return JobCrashedError(
        f"the Python of the call {how}{when} ({where})",
        job_id=job_id,
        signal=number,
        exit_status=status,
        stderr_tail=stderr_tail,
    )


def _dependency(outcome: Outcome) -> DependencyError:
    parent = outcome.header["parent"]
    which = f"the call {parent}" if parent.startswith("c") else "another executor's future"
    return DependencyError(
        f"the value of {which}, which this call takes, was not there when it was to be made: that one failed or "
        "was cancelled, or its value could not be handed on"
    )


def _mismatch(outcome: Outcome, job_id: str | None) -> PythonMismatchError:
    header = outcome.header
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


def missing(bundle: Bundle, cause: states.Event, trouble: str | None, tail: str) -> BaseException:
    """Why a call of *bundle* has no outcome.

    Args:
        bundle: whose job has ended.
        cause: the event that ended the job.
        trouble: what is wrong with the file of outcomes; None if nothing is.
        tail: the end of the job's standard error.

    """
    job_id, the_job = bundle.job.job_id, _the_job(bundle)
    match cause:
        case states.Held():
            return _held(bundle, cause, tail)
        case states.NotReleased(_, _, reason, error):
            held = _held(bundle, bundle.job.hold or states.Held(job_id or ""), tail, f"; {reason}")
            held.__cause__ = error
            return held
        case states.Aborted(_, reason):
            message = f"{the_job} was removed: {reason or 'HTCondor gives no reason'}"
            return JobRemovedError(message, job_id=job_id, reason=reason, stderr_tail=tail)
        case states.Refused(_, reason):
            return AccessPointError(f"the access point did not take the job: {reason}")
        case _ if trouble is not None:
            return OutcomeError(f"the outcome file of {the_job} is refused: {trouble}")
        case states.Terminated(_, exit_status, signal):
            how = f"was killed by {signal_name(signal)}" if signal is not None else f"left with status {exit_status}"
            message = f"{the_job} {how} before it could report an outcome"
            return JobCrashedError(message, job_id=job_id, exit_status=exit_status, signal=signal, stderr_tail=tail)
        case states.NotRetrieved(_, reason):
            message = f"the outcome of {the_job} cannot be retrieved: {reason}"
            return JobLostError(message, job_id=job_id, reason=reason)
        case states.ShadowException(_, reason):
            message = f"{the_job} was given up: its shadow died again and again, the last time of: {reason}"
            return JobLostError(message, job_id=job_id, reason=reason)
        case states.Evicted():
            message = f"{the_job} was given up: it was evicted again and again, and never ran in between"
            return JobLostError(message, job_id=job_id)
        case _:
            message = f"{the_job} is in no queue any more, and no event says what became of it; submit the call again"
            return JobLostError(message, job_id=job_id)


def _the_job(bundle: Bundle) -> str:
    """It, by its id; which is not known where the event log of a session that was taken up again is lost."""
    return f"the job {bundle.job.job_id}" if bundle.job.job_id is not None else "the job of the call"


def _held(bundle: Bundle, hold: states.Held, tail: str, more: str = "") -> JobHeldError:
    job_id, the_job, commands = bundle.job.job_id, _the_job(bundle), bundle.options.commands
    kind = JobTimeLimitError if hold.time_limit else JobHeldError
    message = f"{the_job} was put on hold (code {hold.code}, subcode {hold.subcode}): {hold.reason}"
    if hold.time_limit:
        limit = f"{hold.time_limit}={commands.get(hold.time_limit, '?')}"
        message = f"{the_job} ran for longer than {limit} allows: {hold.reason}"
    elif hold.code == NO_INITIAL_DIRECTORY and not bundle.options.spool:
        message += "; with spool=False the access point has to see this directory, spool=True works with any"
    if bundle.job.holds > 1:
        message += f"; it was the job's hold number {bundle.job.holds}"
    return kind(
        message + more, job_id=job_id, code=hold.code, subcode=hold.subcode, reason=hold.reason, stderr_tail=tail
    )


def dependency_failed(cause: BaseException) -> DependencyError:
    """The error of a call that takes a value of, or comes after, a call that ended with *cause*."""
    how = "was cancelled" if isinstance(cause, CancelledError) else f"raised {type(cause).__name__}"
    error = DependencyError(f"a call that this one depends on {how}: {words(cause)}".rstrip(": "))
    error.__cause__ = cause
    return error


def removed(bundle: Bundle, reason: str) -> JobRemovedError:
    """The error of the calls of *bundle* when the client itself removes the job, because of *reason*."""
    job_id = bundle.job.job_id
    return JobRemovedError(f"the job {job_id or 'of the call'} was removed: {reason}", job_id=job_id, reason=reason)


def session_left(session: str) -> CondorFuturesError:
    """The error of the calls that had not ended when the client left the session with the id *session*."""
    return CondorFuturesError(f"the executor left the session {session}; attach() gives this call again")


def bug(error: Exception) -> CondorFuturesError:
    """The error of the calls that a defect of this package ends."""
    return CondorFuturesError(f"a bug in condor_futures: {error}")


def advise(error: BaseException) -> None:
    """Add a note to an exception that a call raises because it is made in a job."""
    with contextlib.suppress(Exception):  # it is the user's, and may be odd
        if (advice := _advice(error)) and hasattr(error, "add_note"):
            error.add_note(advice)


def _advice(error: BaseException) -> str:
    """What to do about an exception that a call raises because it is made in a job; empty for any other.

    >>> _advice(TypeError("f() got an unexpected keyword argument 'request_memory'"))
    'If request_memory is meant for the job: executor.with_options(request_memory=...).submit(...)'
    """
    if type(error) is TypeError:
        text = error.args[0] if error.args else None
        refused = _UNEXPECTED.search(text) if isinstance(text, str) else None
        name = refused[1] if refused else ""
        if (name in KNOWN and ALIASES.get(name, name) not in OWNED) or "with_options" in OPTIONS.get(name, ""):
            return f"If {name} is meant for the job: executor.with_options({name}=...).submit(...)"
    if type(error) is ModuleNotFoundError and error.name and (file := file_of_the_users(error.name)):
        return (
            f"What a function imports itself has to be where its job runs: ship=['auto', Path({str(file)!r})] sends it "
            "along."
        )
    return ""
