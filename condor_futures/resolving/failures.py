"""All errors that a call can fail with, and notes for exceptions that a call itself raises."""

from __future__ import annotations

import contextlib
import logging
import re
import signal
from concurrent.futures import CancelledError
from pathlib import Path
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
    SharedObjectError,
    words,
)
from condor_futures.options.ship import file_of_the_users
from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import NO_INITIAL_DIRECTORY, NO_OUTPUT
from condor_futures.submit.commands import ALIASES, KNOWN, OPTIONS, OWNED

__all__ = [
    "advise",
    "bug",
    "dependency_failed",
    "initializer_crashes",
    "missing",
    "output_lost",
    "removed",
    "session_left",
    "signal_name",
    "value_or_error",
]

logger = logging.getLogger(__name__)

_QUOTED: Final = re.compile(r"'([^'\n]+)'")
_UNEXPECTED: Final = re.compile(r"got an unexpected keyword argument '(\w+)'")


def value_or_error(outcome: Outcome, job_id: str | None, stderr_tail: str = "") -> tuple[Any, BaseException | None]:
    """Return the value and ``None``, or ``None`` and the exception.

    This never raises: if unpickling fails, it returns the error as the exception.
    """
    _warn_of_script(outcome.header.get("session"), outcome.header.get("script"))
    if outcome.result == "crashed":
        return None, _crash(outcome, job_id, stderr_tail)
    if outcome.result == "python":
        return None, _mismatch(outcome, job_id)
    if outcome.result == "dependency":
        return None, _dependency(outcome)
    if outcome.result == "shared":
        return None, _no_object(outcome)
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


_warned: set[tuple[object, str]] = set()


def _warn_of_script(session: object, why: str | None) -> None:
    """Warn once in each session that jobs cannot import the script."""
    if why is not None and (session, why) not in _warned:
        _warned.add((session, why))
        logger.warning(
            "the script cannot be imported in a job (%s), so its definitions came by value; install the module where "
            "the jobs run, or import it where the client alone uses it: in the block under if __name__ == '__main__'",
            why,
        )


def _raised(outcome: Outcome, error: BaseException | None, job_id: str | None) -> BaseException:
    header = outcome.header
    if not isinstance(error, BaseException):
        why = header.get("unpicklable", "")
        # BaseException.__reduce__ calls the class with the arguments that BaseException.__init__ got.
        advice = "; its __init__() must pass all its arguments to super().__init__()" if "__init__()" in why else ""
        error = RemoteExceptionError(
            f"the call raised {header['type_name']}, which cannot be pickled ({why}{advice}): {header['message']}",
            header["type_name"],
        )
    # (The exception may be a frozen dataclass, whose attributes cannot be set, or have a property of that name.)
    cause = RemoteTraceback(header["traceback"], header["host"], job_id)
    vars(BaseException)["__cause__"].__set__(error, cause)
    if outcome.result == "initializer":
        broken = BrokenCondorExecutor(f"the initializer raised {header['type_name']}: {header['message']}")
        broken.__cause__ = error
        return broken
    return error


def _crash(outcome: Outcome, job_id: str | None, stderr_tail: str) -> JobCrashedError:
    number, status, stage = (outcome.header.get(name) for name in ("signal", "exit_status", "stage"))
    how = f"was killed by {signal_name(number)}" if number is not None else f"exited with status {status}"
    when = {"start": " before it could make the call", "initializer": " in the initializer"}.get(str(stage), "")
    where = f"job {job_id} on {outcome.header['host']}" if job_id else f"on {outcome.header['host']}"
    return JobCrashedError(
        f"the Python of the call {how}{when} ({where})",
        job_id=job_id,
        signal=number,
        exit_status=status,
        stderr_tail=stderr_tail,
    )


def initializer_crashes(error: BaseException | None, times: int) -> BrokenCondorExecutor:
    """Return the error of an executor whose initializer crashed *times* times in a row, the last time in *error*."""
    broken = BrokenCondorExecutor(f"the initializer crashed {times} times in a row; the last time: {error}")
    broken.__cause__ = error
    return broken


def _dependency(outcome: Outcome) -> DependencyError:
    parent = outcome.header["parent"]
    which = f"the call {parent}" if parent.startswith("c") else "another executor's future"
    return DependencyError(
        f"the value of {which}, an argument of this call, was missing when the job ran: {which} failed or was "
        "cancelled, or its value could not be sent to the job"
    )


def _no_object(outcome: Outcome) -> SharedObjectError:
    header = outcome.header
    return SharedObjectError(
        f"the shared object {header['object'][:12]}, an argument of the call, {header['reason']} "
        f"(on {header['host']}); share() the object again, and submit the call again"
    )


def _mismatch(outcome: Outcome, job_id: str | None) -> PythonMismatchError:
    header = outcome.header
    if environment := header.get("environment"):
        what, client = f"the environment {environment!r} in python_environment", header.get("wanted")
        return PythonMismatchError(
            f"{what} cannot be used on the execution point {header['host']}: {str(header['reason']).strip()}"
            if "reason" in header
            else f"{what} has Python {header['here']}, but the client runs Python {client}; make it with Python "
            f"{client}",
            job_id=job_id,
        )
    return PythonMismatchError(
        f"the execution point {header['host']} runs Python {header['here']} ({header['executable']}) and has no "
        f"python{header['wanted']} on PATH, but the client runs Python {header['wanted']}; use a container_image "
        f"or requirements with Python {header['wanted']}",
        job_id=job_id,
    )


def signal_name(number: int) -> str:
    """Return ``SIGKILL (signal 9)`` for 9, and ``signal 99`` for 99, which has no name.

    >>> signal_name(9)
    'SIGKILL (signal 9)'
    """
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"


def missing(bundle: Bundle, cause: states.Event, trouble: str | None, tail: str) -> BaseException:
    """Return the error of a call of *bundle* that has no outcome.

    Args:
        bundle: the bundle, whose job has ended.
        cause: the event that ended the job.
        trouble: the defect of the file of outcomes; None if there is none.
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
            message = f"{the_job} was removed: {reason or 'HTCondor reports no reason'}"
            return JobRemovedError(message, job_id=job_id, reason=reason, stderr_tail=tail)
        case states.Refused(_, reason):
            return AccessPointError(f"the access point refused the job: {reason}")
        case _ if trouble is not None:
            return OutcomeError(f"the outcome file of {the_job} is refused: {trouble}")
        case states.Terminated(_, exit_status, signal):
            how = f"was killed by {signal_name(signal)}" if signal is not None else f"exited with status {exit_status}"
            message = f"{the_job} {how} before it could report an outcome"
            return JobCrashedError(message, job_id=job_id, exit_status=exit_status, signal=signal, stderr_tail=tail)
        case states.NotRetrieved(_, reason):
            message = f"the outcome of {the_job} cannot be retrieved: {reason}"
            return JobLostError(message, job_id=job_id, reason=reason)
        case states.ShadowException(_, reason):
            message = f"the shadow of {the_job} failed repeatedly; last error: {reason}"
            return JobLostError(message, job_id=job_id, reason=reason)
        case states.Evicted():
            message = f"{the_job} was evicted repeatedly, and never ran in between"
            return JobLostError(message, job_id=job_id)
        case _:
            message = f"{the_job} is no longer in the queue, and no event says why; submit the call again"
            return JobLostError(message, job_id=job_id)


def output_lost(bundle: Bundle, cause: states.Event) -> BaseException | None:
    """Return the error of a call that returned a value, if the user's own output files were not transferred.

    Args:
        bundle: the bundle, whose job has ended.
        cause: the event that ended the job.

    """
    commands = bundle.options.commands
    if not (commands.get("transfer_output_files") or commands.get("transfer_output_remaps")):
        return None
    match cause:
        case states.Held(_, code) if code == NO_OUTPUT:
            return _held(bundle, cause, "", "; the call returned a value, but its output files are not all here")
        case states.NotRetrieved(job_id, reason):
            message = f"the output files of {_the_job(bundle)} cannot be retrieved: {reason}"
            return JobLostError(message, job_id=job_id, reason=reason)
    return None


def _the_job(bundle: Bundle) -> str:
    """Return a name of the job: its id, which may be unknown if the event log was lost before the client attached."""
    return f"the job {bundle.job.job_id}" if bundle.job.job_id is not None else "the job of the call"


def _held(bundle: Bundle, hold: states.Held, tail: str, more: str = "") -> JobHeldError:
    job_id, the_job, commands = bundle.job.job_id, _the_job(bundle), bundle.options.commands
    kind = JobTimeLimitError if hold.time_limit else JobHeldError
    message = f"{the_job} was put on hold (code {hold.code}, subcode {hold.subcode}): {hold.reason}"
    if hold.time_limit:
        limit = f"{hold.time_limit}={commands.get(hold.time_limit, '?')}"
        message = f"{the_job} ran for longer than {limit} allows: {hold.reason}"
    elif hold.code == NO_INITIAL_DIRECTORY and not bundle.options.spool:
        message += "; with spool=False the access point must see this directory; spool=True works with any directory"
    if bundle.job.holds > 1:
        message += f"; this was hold number {bundle.job.holds} of the job"
    return kind(
        message + more, job_id=job_id, code=hold.code, subcode=hold.subcode, reason=hold.reason, stderr_tail=tail
    )


def dependency_failed(cause: BaseException) -> DependencyError:
    """Return the error of a call that depends on a call that ended with *cause*."""
    how = "was cancelled" if isinstance(cause, CancelledError) else f"raised {type(cause).__name__}"
    error = DependencyError(f"a call that this one depends on {how}: {words(cause)}".rstrip(": "))
    error.__cause__ = cause
    return error


def removed(bundle: Bundle, reason: str) -> JobRemovedError:
    """Return the error of the calls of *bundle* if the client itself removes the job because of *reason*."""
    job_id = bundle.job.job_id
    return JobRemovedError(f"the job {job_id or 'of the call'} was removed: {reason}", job_id=job_id, reason=reason)


def session_left(session: str) -> CondorFuturesError:
    """Return the error of the calls that had not ended when the client left the session with the id *session*."""
    return CondorFuturesError(f"the executor left the session {session}; attach() returns this call again")


def bug(error: Exception) -> CondorFuturesError:
    """Return the error of the calls that fail because of a bug in this package."""
    return CondorFuturesError(f"a bug in condor_futures: {error}")


def advise(error: BaseException) -> None:
    """Add a note to an exception that a call raises because it runs in a job."""
    with contextlib.suppress(Exception):  # any attribute of the user's exception may raise
        if not (advice := _advice(error)):
            return
        if hasattr(error, "add_note"):
            error.add_note(advice)
        elif isinstance(cause := error.__cause__, RemoteTraceback):  # Python 3.10 has no notes
            cause.text = f"{cause.text.rstrip()}\n{advice}"


def _advice(error: BaseException) -> str:
    """Return advice on an exception that a call raises because it runs in a job; empty for other exceptions.

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
            f"ship=['auto', {error.name.partition('.')[0]!r}] sends this module, which is not installed, with the job: "
            f"{str(file)!r}."
        )
    if isinstance(error, FileNotFoundError):
        return _advice_on_file(error)
    return ""


def _advice_on_file(error: FileNotFoundError) -> str:
    """Return advice on a file that the client has, and the job does not."""
    # Some libraries have the name only in their text, as h5py does.
    names = [error.filename] if isinstance(error.filename, str) else _QUOTED.findall(words(error))
    for name in names:
        path = Path(name)
        if name and path.exists():
            where = "the job ran in a directory of its own" if not path.is_absolute() else "the job ran elsewhere"
            there = "" if path.name == name else f", with the name {path.name!r}"
            return (
                f"{name!r} exists on this machine, but {where}: "
                f"executor.with_options(transfer_input_files=[{name!r}]) sends it to the job{there}."
            )
    return ""
