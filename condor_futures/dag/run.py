"""The protocol of a run of a DAG: a run by DAGMan and a run on this machine have the same methods."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, Protocol

from condor_futures.access_point.job_info import JobInfo

__all__ = ["Run"]


class Run(Protocol):
    """One run, from its start to its end. Any thread may use all methods and attributes."""

    ended: Future[None]
    """Done when the run has ended."""

    @property
    def alive(self) -> bool:
        """Whether the run has neither ended nor been left."""

    def cancel(self, future: Future[Any]) -> None:
        """End the job of *future*, which was cancelled, if all futures of the job are cancelled."""

    def remove(self) -> None:
        """End the run and its jobs."""

    def leave(self) -> None:
        """Leave the run. A run by DAGMan continues; a run on this machine ends."""

    def join(self) -> None:
        """Wait until the run has ended or been left; in a thread of the run, return at once."""

    def jobs(self, *, why: bool) -> list[JobInfo]:
        """Return the nodes' jobs in the queue; with *why*, also the reason why idle jobs are idle.

        Raises:
            AccessPointError: the access point does not answer.

        """
