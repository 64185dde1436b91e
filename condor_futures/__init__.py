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

from condor_futures.errors import (
    AccessPointError,
    BrokenCondorExecutor,
    CondorFuturesError,
    DependencyError,
    InstallError,
    JobCrashedError,
    JobError,
    JobHeldError,
    JobLostError,
    JobRemovedError,
    OutcomeError,
    PayloadError,
    PersonalPoolError,
    PythonMismatchError,
    RemoteExceptionError,
    RemoteTraceback,
)
from condor_futures.executor import CondorExecutor
from condor_futures.future import CondorFuture

__version__ = "0.1.0"

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
    "DependencyError",
    "Future",
    "InstallError",
    "InvalidStateError",
    "JobCrashedError",
    "JobError",
    "JobHeldError",
    "JobLostError",
    "JobRemovedError",
    "OutcomeError",
    "PayloadError",
    "PersonalPoolError",
    "PythonMismatchError",
    "RemoteExceptionError",
    "RemoteTraceback",
    "TimeoutError",
    "as_completed",
    "wait",
]
