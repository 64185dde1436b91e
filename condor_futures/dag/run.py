"""What a run of a DAG is for those who started it, whoever drives it: DAGMan, or this process."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Protocol

from condor_futures.access_point.job_info import JobInfo

__all__ = ["Run"]


class Run(Protocol):
    """One run, from its start to its end; all of it is for any thread."""

    ended: Future[None]
    """Done when it has ended."""

    @property
    def alive(self) -> bool:
        """It has not ended, nor been left."""

    def cancel(self, future: Future[Any]) -> None:
        """*future* was cancelled: when nobody wants any call of its job any more, the job is to end."""

    def remove(self) -> None:
        """End it, and the jobs that it has."""

    def leave(self) -> None:
        """Have no more to do with it; whether it goes on without this process depends on who drives it."""

    def join(self) -> None:
        """Wait until it has ended, or been left; in its own threads, do not wait."""

    def jobs(self, *, why: bool) -> list[JobInfo]:
        """The nodes' jobs that are in a queue; *why* the idle ones are idle is found out if that is wanted.

        Raises:
            AccessPointError: if the access point does not answer.

        """
