"""What can go wrong, and whose fault it is.

What a call itself raised comes back as itself, with the remote traceback as its ``__cause__``
(a :class:`RemoteTraceback`).  Everything else is in this tree::

    CondorFuturesError
    ├── PayloadError            (also pickle.PicklingError) a call cannot be pickled, or not be written to the disk
    ├── OutcomeError            an outcome came back that is not authentic, or cannot be unpickled
    │   └── RemoteExceptionError    the call raised, and what it raised cannot be pickled
    ├── DependencyError         a call that this one depends on failed, or was cancelled
    ├── AccessPointError        the schedd cannot be reached, or refuses
    │   └── CredentialError         a credential for the jobs cannot be made, or the credd does not take it
    ├── JobError                the job ended without an outcome for the call
    │   ├── JobHeldError            it was put on hold
    │   │   └── JobTimeLimitError       it ran for longer than it was allowed to
    │   ├── JobRemovedError         it was removed
    │   ├── JobCrashedError         its Python died: a signal, os._exit, no Python at all
    │   ├── JobLostError            it is gone, or was given up
    │   └── PythonMismatchError     the execution point has another Python
    ├── BrokenCondorExecutor    (also concurrent.futures.BrokenExecutor) the initializer failed
    └── PersonalPoolError       a personal pool cannot be found, started or stopped
        └── InstallError            HTCondor cannot be installed

All of them can be pickled, so that a call may raise them and a parent's error may travel to a child.
"""

from __future__ import annotations

import pickle
from concurrent.futures import BrokenExecutor
from typing import Any

__all__ = [
    "AccessPointError",
    "BrokenCondorExecutor",
    "CondorFuturesError",
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
]


class CondorFuturesError(Exception):
    """The root of every error of this package that is not the user's own."""


class PayloadError(CondorFuturesError, pickle.PicklingError):
    """A call cannot be pickled; the message gives the path to the culprit inside the object. Or it cannot be written.

    It is set on the future at once, before anything is submitted.  Its sibling
    :class:`OutcomeError` covers what comes back.
    """


class OutcomeError(CondorFuturesError):
    """An outcome is not authentic, or cannot be unpickled here.

    Only the future of that one call fails.
    """


class RemoteExceptionError(OutcomeError):
    """The call raised an exception that cannot be pickled; its text and traceback are kept.

    Attributes:
        type_name: the qualified name of the exception's class.

    """

    def __init__(self, message: str, type_name: str = "") -> None:
        """Keep the message, and the exception's class by name."""
        super().__init__(message)
        self.type_name = type_name

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with both arguments; Exception would keep only the message."""
        return type(self), (str(self), self.type_name), self.__dict__


class DependencyError(CondorFuturesError):
    """A future among the call's arguments, or that it comes *after*, failed or was cancelled.

    That future's exception is the ``__cause__``. (Who attaches later may be told only that there was no value.)

    The call was not made.
    """


class AccessPointError(CondorFuturesError):
    """The access point cannot be reached, or refuses what was asked of it."""


class CredentialError(AccessPointError):
    """A credential that the jobs are to have cannot be made, or the access point's condor_credd does not take it.

    It is raised when the executor is made; nothing has been submitted then.  That a credential cannot be renewed
    later is a warning in the log.

    Attributes:
        url: where the user has to go with a browser first, to let the access point have an OAuth token.

    """

    def __init__(self, message: str, url: str | None = None) -> None:
        """Keep the message, and the address to visit where there is one."""
        super().__init__(message)
        self.url = url

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with both arguments; Exception would keep only the message."""
        return type(self), (str(self), self.url), self.__dict__


class JobError(CondorFuturesError):
    """The job ended, or was stopped, without an outcome for this call.

    Attributes:
        job_id: the job, as ``cluster.proc``.
        reason: HTCondor's own words, where it gave any.
        code: HTCondor's hold reason code, where there is one.
        subcode: its subcode.
        exit_status: the exit status of the job's Python, where it exited.
        signal: the number of the signal that killed it, where one did.
        stderr_tail: the end of the job's standard error, at most 2,000 characters.

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
        """Keep each fact as an attribute; *message* is the sentence that a user reads."""
        super().__init__(message)
        self.job_id = job_id
        self.reason = reason
        self.code = code
        self.subcode = subcode
        self.exit_status = exit_status
        self.signal = signal
        self.stderr_tail = stderr_tail

    def __str__(self) -> str:
        """The sentence, and under it the end of the job's standard error, where there is any."""
        message = str(self.args[0])
        if self.stderr_tail.strip():
            message += f"\n--- the end of its standard error ---\n{self.stderr_tail.rstrip()}"
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the attributes; Exception would call the class with the message alone."""
        return type(self), self.args, self.__dict__


class JobHeldError(JobError):
    """The job was put on hold; *reason*, *code* and *subcode* are HTCondor's."""


class JobTimeLimitError(JobHeldError):
    """The job ran for longer than ``allowed_execute_duration`` or ``allowed_job_duration`` allows."""


class JobRemovedError(JobError):
    """The job was removed: by ``condor_rm``, a policy, an administrator, or with its executor, which was terminated."""


class JobCrashedError(JobError):
    """The Python that ran the call died: killed by *signal*, or left with *exit_status*."""


class JobLostError(JobError):
    """The job is gone and nothing says why, or it was given up, or its outcome cannot be retrieved."""


class PythonMismatchError(JobError):
    """The execution point runs another Python than the client, so pickles cannot be exchanged."""


class BrokenCondorExecutor(CondorFuturesError, BrokenExecutor):  # noqa: N818 - as BrokenProcessPool
    """The initializer raised in a job, so the executor takes no more calls."""


class PersonalPoolError(CondorFuturesError):
    """A personal pool cannot be found, started or stopped."""


class InstallError(PersonalPoolError):
    """HTCondor cannot be installed here; the message says what is missing."""


def words(error: BaseException) -> str:
    """What an exception of the user's says; its own ``__str__`` may raise."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - it is the user's code
        return "(its text cannot be had)"


class RemoteTraceback(Exception):  # noqa: N818 - it is a cause to be read, not an error to be caught
    """Where a call raised on the execution point; the ``__cause__`` of the exception itself.

    Attributes:
        text: the formatted traceback.
        host: the execution point.
        job_id: the job, as ``cluster.proc``.

    """

    def __init__(self, text: str, host: str = "", job_id: str | None = None) -> None:
        """Keep the traceback's text and where it comes from."""
        super().__init__(text, host, job_id)
        self.text = text
        self.host = host
        self.job_id = job_id

    def __str__(self) -> str:
        """Print as a traceback, headed by the job, as far as that is known, and the host."""
        where = f"job {self.job_id} on {self.host}" if self.job_id is not None else f"on {self.host}"
        return f"\n{where}:\n{self.text.rstrip()}"
