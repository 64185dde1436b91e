"""A :mod:`concurrent.futures` executor whose calls run as HTCondor jobs."""

from __future__ import annotations

from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Future,
    InvalidStateError,
    TimeoutError,  # noqa: A004 - the same object as the builtin from Python 3.11 on
    as_completed,
    wait,
)
from typing import TYPE_CHECKING

from condor_futures.access_point.job_info import JobInfo
from condor_futures.calls.procid import procid
from condor_futures.errors import (
    AccessPointError,
    BrokenCondorExecutor,
    CondorFuturesError,
    CondorFuturesWarning,
    CredentialError,
    DependencyError,
    InstallError,
    JobCrashedError,
    JobError,
    JobHeldError,
    JobLostError,
    JobRemovedError,
    JobTimeLimitError,
    OutcomeError,
    PayloadError,
    PersonalPoolError,
    PythonMismatchError,
    RemoteExceptionError,
    RemoteTraceback,
    SharedObjectError,
)
from condor_futures.execution_point.checkpoints import checkpoint_file
from condor_futures.execution_point.reporting import report
from condor_futures.execution_point.shell import ShellError, shell
from condor_futures.executor.condor_executor import CondorExecutor
from condor_futures.future import CondorFuture, Progress, Usage
from condor_futures.options.on_hold import HeldJob
from condor_futures.session.shared_objects import SharedObject
from condor_futures.sessions import SessionInfo, purge, sessions, usage

if TYPE_CHECKING:
    from condor_futures.dag import DagExecutor

__version__ = "0.2.0"

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "AccessPointError",
    "BrokenCondorExecutor",
    "BrokenExecutor",
    "CancelledError",
    "CondorExecutor",
    "CondorFuture",
    "CondorFuturesError",
    "CondorFuturesWarning",
    "CredentialError",
    "DagExecutor",
    "DependencyError",
    "Future",
    "HeldJob",
    "InstallError",
    "InvalidStateError",
    "JobCrashedError",
    "JobError",
    "JobHeldError",
    "JobInfo",
    "JobLostError",
    "JobRemovedError",
    "JobTimeLimitError",
    "OutcomeError",
    "PayloadError",
    "PersonalPoolError",
    "Progress",
    "PythonMismatchError",
    "RemoteExceptionError",
    "RemoteTraceback",
    "SessionInfo",
    "SharedObject",
    "SharedObjectError",
    "ShellError",
    "TimeoutError",
    "Usage",
    "as_completed",
    "checkpoint_file",
    "procid",
    "purge",
    "report",
    "sessions",
    "shell",
    "usage",
    "wait",
]


def __getattr__(name: str) -> object:
    # Most programs use no DAG: the modules of DagExecutor are imported at the first use of the name (PEP 562).
    if name == "DagExecutor":
        from condor_futures.dag import DagExecutor

        return DagExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
