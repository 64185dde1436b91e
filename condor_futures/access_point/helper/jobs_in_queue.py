"""Queries, removals, holds and releases of the jobs in the schedd's queue and history."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from condor_futures.access_point.helper.locating import Located
from condor_futures.access_point.helper.words import Ad, Looked, Released, either
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus
from condor_futures.submit import attributes

__all__ = ["JobsInQueue"]

#: The largest number of jobs in one query of the history.
_HISTORY = 200

# The attributes that determine how much memory a job requests, which may be an expression of the others, and the hold
# for which the request was raised. The time identifies the hold, because NumHolds counts a hold by the shadow twice
# (25.14).
_RAISED, _SINCE = attributes.MEMORY_RAISED, "EnteredCurrentStatus"
_MEMORY = ["ClusterId", "ProcId", _SINCE, _RAISED, "RequestMemory", "MemoryUsage", "ResidentSetSize", "ImageSize"]


class JobsInQueue(Located):
    """The operations on jobs that are or were in the queue."""

    def remove(self, jobs: list[str] | str, reason: str = "condor_futures") -> int:
        """Remove jobs, by id or by a constraint; return the number of jobs removed."""
        return self._act(self._htcondor.JobAction.Remove, jobs, reason)

    def _act(self, action: Any, jobs: list[str] | str, reason: str = "condor_futures") -> int:
        if not jobs:
            return 0
        # The bindings ignore a reason without a code (25.14).
        answer = self._schedd.act(action, jobs, (reason, 0))
        return int(answer["TotalSuccess"]) if answer is not None else 0

    def hold(self, jobs: list[str], reason: str) -> int:
        """Put jobs on hold; return the number of jobs put on hold."""
        return self._act(self._htcondor.JobAction.Hold, jobs, reason)

    def release(self, jobs: list[str], memory_max: int | None, memory: int | None = None) -> Released:
        """Release those *jobs* that are on hold; with *memory_max*, in MiB, double the memory that they request.

        They then request at least *memory*, unless *memory_max* is less. A job that already requests *memory_max* is
        refused. A job that is neither released nor refused is not on hold: either not yet, because the schedd writes
        the event first, or no longer.
        """
        these = either(jobs)
        held = f"JobStatus == {JobStatus.HELD:d} && HoldReasonCode != {SPOOLING_INPUT} && ({these})"
        released: list[str] = []
        refused: dict[str, str] = {}
        requests: dict[str, int] = {}
        for ad in self._schedd.query(held, _MEMORY):
            job = f"{ad['ClusterId']}.{ad['ProcId']}"
            if memory_max is not None:
                asked_for = ad.eval("RequestMemory")
                if not isinstance(asked_for, (int, float)):
                    asked_for = memory_max / 2  # an expression of attributes that only a slot has
                if ad.get(_RAISED) == ad[_SINCE]:
                    requests[job] = int(asked_for)  # an earlier request, whose answer was lost, raised it
                elif asked_for >= memory_max:
                    refused[job] = f"it asked for {int(asked_for)} MiB, and memory_max is {memory_max} MiB"
                    continue
                else:
                    requests[job] = min(max(int(2 * asked_for), memory or 0), memory_max)
                    self._schedd.edit([job], "RequestMemory", str(requests[job]))
                    self._schedd.edit([job], _RAISED, str(ad[_SINCE]))
            released.append(job)
        self._act(self._htcondor.JobAction.Release, released)
        return {"released": released, "refused": refused, "requests": requests}

    def edit(self, jobs: str, attributes: dict[str, str]) -> int:
        """Change *attributes* of those jobs that match the constraint *jobs*, and do not run; return their number.

        Jobs whose memory a release has raised are left as they are.
        """
        # Jobs whose input is being spooled will be idle. The schedd refuses to edit no jobs at all.
        waiting = f"(JobStatus == {JobStatus.IDLE:d} || HoldReasonCode =?= {SPOOLING_INPUT})"
        these = f"(ProcId >= 0 && {waiting} && {_RAISED} =?= undefined && ({jobs}))"
        number = len(self._schedd.query(these, ["ProcId"]))
        if number:
            for name, value in attributes.items():
                self._schedd.edit(these, name, value)
        return number

    def query(self, constraint: str, projection: list[str], mine: bool = False) -> list[Ad]:
        """Return the ads of matching jobs in the queue; with *mine*, only the user's, if the schedd knows the user.

        If every user may query the queue, the schedd knows the user because :meth:`connect` checked the permission.
        """
        which = self._htcondor.QueryOpts.DefaultMyJobsOnly if mine else self._htcondor.QueryOpts.Default
        return _plain(self._schedd.query(constraint, projection, opts=which))

    def look(self, constraint: str, projection: list[str], jobs: list[str]) -> Looked:
        """Return the ads of matching jobs in the queue, and the history's ads of those *jobs* that have left it."""
        began = time.monotonic()
        ads = _plain(self._schedd.query(constraint, projection))
        there = {f"{ad['ClusterId']}.{ad['ProcId']}" for ad in ads}
        left = [job for job in jobs if job not in there]
        for some in (left[n : n + _HISTORY] for n in range(0, len(left), _HISTORY)):
            try:
                # The newest ads come first, and the schedd stops reading after *match* of them.
                ads += _plain(self._schedd.history(f"{constraint} && ({either(some)})", projection, match=len(some)))
            except self._htcondor.HTCondorException:
                break  # not every site allows remote reads; what happened to these jobs then remains unknown
        return {"ads": ads, "seconds": time.monotonic() - began}

    def past(self, constraint: str, projection: list[str]) -> list[Ad]:
        """Return the ads of matching jobs that have left the queue, the newest first."""
        return _plain(self._schedd.history(constraint, projection))


def _plain(ads: Iterable[Mapping[str, Any]]) -> list[Ad]:
    return [
        {key: value if isinstance(value, (str, int, float, bool)) else str(value) for key, value in ad.items()}
        for ad in ads
    ]
