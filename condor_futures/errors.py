"""The exceptions of this package.

An exception that a call raises is raised again by ``result()``, with its own type. Its ``__cause__`` is the remote
traceback (a :class:`RemoteTraceback`). All other errors are in this tree::

    CondorFuturesError
    ├── PayloadError            (also pickle.PicklingError) a call cannot be pickled or written to disk
    ├── OutcomeError            an outcome is not authentic, or cannot be unpickled
    │   └── RemoteExceptionError    the call raised an exception that cannot be pickled
    ├── SharedObjectError       a shared object that the call takes is missing or damaged
    ├── DependencyError         a call that this one depends on failed or was cancelled
    ├── AccessPointError        the schedd is unreachable, or refused a request
    │   └── CredentialError         a credential for the jobs cannot be made, or the credd refused it
    ├── JobError                the job ended without an outcome for the call
    │   ├── JobHeldError            the job was put on hold
    │   │   └── JobTimeLimitError       the job exceeded its time limit
    │   ├── JobRemovedError         the job was removed
    │   ├── JobCrashedError         the job's Python exited: killed by a signal, os._exit(), or no Python at all
    │   ├── JobLostError            the job left the queue without a trace, or this package stopped retrying it
    │   └── PythonMismatchError     the job has another version of Python, or its environment does not work
    ├── BrokenCondorExecutor    (also concurrent.futures.BrokenExecutor) the initializer failed
    └── PersonalPoolError       a personal pool cannot be found, started or stopped
        └── InstallError            HTCondor cannot be installed

A :class:`CondorFuturesWarning` is no error: :func:`warnings.warn` reports it.

All of these exceptions can be pickled. A call may therefore raise them, and a parent's error can be sent to a child.
"""

from __future__ import annotations

import pickle
from concurrent.futures import BrokenExecutor
from typing import Any

__all__ = [
    "AccessPointError",
    "BrokenCondorExecutor",
    "CondorFuturesError",
    "CondorFuturesWarning",
    "CredentialError",
    "DependencyError",
    "InstallError",
    "JobCrashedError",
    "JobError",
    "JobHeldError",
    "JobLostError",
    "JobRemovedError",
    "JobTimeLimitError",
    "OutcomeError",
    "PayloadError",
    "PersonalPoolError",
    "PythonMismatchError",
    "RemoteExceptionError",
    "RemoteTraceback",
    "SharedObjectError",
]


class CondorFuturesError(Exception):
    """The base class of all errors of this package."""


class CondorFuturesWarning(UserWarning):
    """Several calls repeat what they need not, such as the numbers of one random generator.

    Each kind of mistake is reported once for each executor, by :func:`warnings.warn`.
    """


class PayloadError(CondorFuturesError, pickle.PicklingError):
    """A call cannot be pickled, or its file cannot be written to disk.

    When pickling fails, the message names the path to the offending part inside the object. The error is set on the
    future at once, before any job is submitted. :class:`OutcomeError` is the counterpart for results.
    """


class OutcomeError(CondorFuturesError):
    """An outcome is not authentic, or cannot be unpickled here.

    Only the future of the affected call fails.
    """


class RemoteExceptionError(OutcomeError):
    """The call raised an exception that cannot be pickled; this error has its text and its traceback.

    Attributes:
        type_name: the qualified name of the exception's class.

    """

    def __init__(self, message: str, type_name: str = "") -> None:
        """Keep the message and the name of the exception's class."""
        super().__init__(message)
        self.type_name = type_name

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with both arguments; Exception would keep only the message."""
        return type(self), (str(self), self.type_name), self.__dict__


class SharedObjectError(CondorFuturesError):
    """A shared object that the call takes cannot be read in the job, or its file is damaged. The call was not made.

    ``executor.share()`` stores the object again.
    """


class DependencyError(CondorFuturesError):
    """A future among the call's arguments, or in its ``after``, failed or was cancelled. The call was not made.

    The ``__cause__`` is the exception of that future. (After ``attach()`` the cause may be lost; the message then says
    only that the value was missing.)
    """


class AccessPointError(CondorFuturesError):
    """The access point is unreachable, or refused a request."""


class CredentialError(AccessPointError):
    """A credential for the jobs cannot be made, or the access point's condor_credd refused it.

    The executor's constructor raises this error, before it submits anything. If a credential cannot be renewed later,
    the executor logs a warning instead.

    Attributes:
        url: the address that you have to visit with a browser first, to grant the access point an OAuth token; None
            if there is none.

    """

    def __init__(self, message: str, url: str | None = None) -> None:
        """Keep the message, and the address to visit if there is one."""
        super().__init__(message)
        self.url = url

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with both arguments; Exception would keep only the message."""
        return type(self), (str(self), self.url), self.__dict__


class JobError(CondorFuturesError):
    """The job ended, or was stopped, without an outcome for this call.

    Attributes that do not apply are None.

    Attributes:
        job_id: the job, as ``cluster.proc``.
        reason: the reason in HTCondor's words.
        code: HTCondor's hold reason code.
        subcode: HTCondor's hold reason subcode.
        exit_status: the exit status of the job's Python.
        signal: the number of the signal that killed the job's Python.
        stderr_tail: the end of the job's standard error, at most 2,000 characters; may be empty.

    """

    def __init__(
        self,
        message: str,
        *,
        job_id: str | None = None,
        reason: str | None = None,
        code: int | None = None,
        subcode: int | None = None,
        exit_status: int | None = None,
        signal: int | None = None,
        stderr_tail: str = "",
    ) -> None:
        """Keep each fact as an attribute; *message* is the text for the user."""
        super().__init__(message)
        self.job_id = job_id
        self.reason = reason
        self.code = code
        self.subcode = subcode
        self.exit_status = exit_status
        self.signal = signal
        self.stderr_tail = stderr_tail

    def __str__(self) -> str:
        """Return the message, followed by the end of the job's standard error if there is any."""
        message = str(self.args[0])
        if self.stderr_tail.strip():
            message += f"\n--- the end of its standard error ---\n{self.stderr_tail.rstrip()}"
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the attributes; Exception would keep only the message."""
        return type(self), self.args, self.__dict__


class JobHeldError(JobError):
    """The job was put on hold; *reason*, *code* and *subcode* are HTCondor's hold reason and codes."""


class JobTimeLimitError(JobHeldError):
    """The job exceeded ``allowed_execute_duration`` or ``allowed_job_duration``."""


class JobRemovedError(JobError):
    """The job was removed: by ``condor_rm``, by a policy, by an administrator, or when its executor was terminated."""


class JobCrashedError(JobError):
    """The Python process that ran the call was killed by *signal*, or exited with *exit_status*."""


class JobLostError(JobError):
    """The job left the queue for an unknown reason, failed too often, or its outcome cannot be retrieved."""


class PythonMismatchError(JobError):
    """The job's Python has another version than the client's, so they cannot exchange pickles.

    Or the ``python_environment`` cannot be unpacked, or does not run, on the execution point.
    """


class BrokenCondorExecutor(CondorFuturesError, BrokenExecutor):  # noqa: N818 - as BrokenProcessPool
    """The initializer raised an exception in a job, or crashed in warm jobs; the executor accepts no more calls."""


class PersonalPoolError(CondorFuturesError):
    """A personal pool cannot be found, started or stopped."""


class InstallError(PersonalPoolError):
    """HTCondor cannot be installed on this machine; the message says what is missing."""


def words(error: BaseException) -> str:
    """Return the text of a user's exception, whose ``__str__`` may itself raise."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is the user's code
        return "(its __str__() failed)"


class RemoteTraceback(Exception):  # noqa: N818 - it is a cause to be read, not an error to be caught
    """The traceback of a call's exception on the execution point; it is the ``__cause__`` of that exception.

    Attributes:
        text: the formatted traceback.
        host: the name of the execution point.
        job_id: the job, as ``cluster.proc``.

    """

    def __init__(self, text: str, host: str = "", job_id: str | None = None) -> None:
        """Keep the text of the traceback, and the host and the job that it comes from."""
        super().__init__(text, host, job_id)
        self.text = text
        self.host = host
        self.job_id = job_id

    def __str__(self) -> str:
        """Return the traceback under a line with the host and, if known, the job."""
        where = f"job {self.job_id} on {self.host}" if self.job_id is not None else f"on {self.host}"
        return f"\n{where}:\n{self.text.rstrip()}"
