"""The jobs in the schedd's queue and in its history: look at them, remove them, release them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from condor_futures.access_point.helper.locating import Located
from condor_futures.access_point.helper.words import Ad, Looked, Released, either
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT, JobStatus
from condor_futures.submit import attributes

__all__ = ["JobsInQueue"]

#: So many jobs at a time are looked for in the history.
_HISTORY = 200

# What says how much memory a job asks for (it may be an expression of the others), and for which hold that was raised:
# by its time, as NumHolds counts a hold by the shadow twice (25.14).
_RAISED, _SINCE = attributes.MEMORY_RAISED, "EnteredCurrentStatus"
_MEMORY = ["ClusterId", "ProcId", _SINCE, _RAISED, "RequestMemory", "MemoryUsage", "ResidentSetSize", "ImageSize"]


class JobsInQueue(Located):
    """The operations on jobs that are in the queue, or were."""

    def remove(self, jobs: list[str] | str, reason: str = "condor_futures") -> int:
        """Remove jobs, by id or by a constraint; returns how many there were."""
        return self._act(self._htcondor.JobAction.Remove, jobs, reason)

    def _act(self, action: Any, jobs: list[str] | str, reason: str = "condor_futures") -> int:
        if not jobs:
            return 0
        # The bindings take no account of a reason without a code (25.14).
        answer = self._schedd.act(action, jobs, (reason, 0))
        return int(answer["TotalSuccess"]) if answer is not None else 0

    def release(self, jobs: list[str], memory_max: int | None) -> Released:
        """Release those of *jobs* that are on hold; with *memory_max*, in MiB, let them request twice the memory.

        A job that requests *memory_max* already is refused. A job that is neither released nor refused is not on hold:
        not yet, because the event comes first, or not any more.
        """
        these = either(jobs)
        held = f"JobStatus == {JobStatus.HELD:d} && HoldReasonCode != {SPOOLING_INPUT} && ({these})"
        released: list[str] = []
        refused: dict[str, str] = {}
        for ad in self._schedd.query(held, _MEMORY):
            job = f"{ad['ClusterId']}.{ad['ProcId']}"
            asked_for = None if memory_max is None else self._raise_memory(job, ad, memory_max)
            if asked_for is None:
                released.append(job)
            else:
                refused[job] = f"it asked for {asked_for} MiB, and memory_max is {memory_max} MiB"
        self._act(self._htcondor.JobAction.Release, released)
        return {"released": released, "refused": refused}

    def _raise_memory(self, job: str, ad: Any, memory_max: int) -> int | None:
        """Have a held job ask for twice the memory, once for each hold; give what it asks for if that is the most."""
        if ad.get(_RAISED) == ad[_SINCE]:
            return None  # by a request whose answer was lost
        asked_for = ad.eval("RequestMemory")
        if not isinstance(asked_for, (int, float)):
            asked_for = memory_max / 2  # an expression of things that only a slot has
        if asked_for >= memory_max:
            return int(asked_for)
        self._schedd.edit([job], "RequestMemory", str(min(int(2 * asked_for), memory_max)))
        self._schedd.edit([job], _RAISED, str(ad[_SINCE]))
        return None

    def query(self, constraint: str, projection: list[str], mine: bool = False) -> list[Ad]:
        """The ads of the jobs in the queue that match; only *mine*, as far as the schedd knows who asks.

        Where everybody may look, the schedd knows that since :meth:`connect` has asked whether it takes jobs.
        """
        which = self._htcondor.QueryOpts.DefaultMyJobsOnly if mine else self._htcondor.QueryOpts.Default
        return _plain(self._schedd.query(constraint, projection, opts=which))

    def look(self, constraint: str, projection: list[str], jobs: list[str]) -> Looked:
        """The ads of the jobs in the queue that match, and the history's ads of those of *jobs* that have left it."""
        began = time.monotonic()
        ads = _plain(self._schedd.query(constraint, projection))
        there = {f"{ad['ClusterId']}.{ad['ProcId']}" for ad in ads}
        left = [job for job in jobs if job not in there]
        for some in (left[n : n + _HISTORY] for n in range(0, len(left), _HISTORY)):
            try:
                # The newest come first, and when there are enough of them, the rest is not read.
                ads += _plain(self._schedd.history(f"{constraint} && ({either(some)})", projection, match=len(some)))
            except self._htcondor.HTCondorException:
                break  # not every site lets it be read from elsewhere, and then nothing says what became of them
        return {"ads": ads, "seconds": time.monotonic() - began}

    def past(self, constraint: str, projection: list[str]) -> list[Ad]:
        """The ads of the jobs that match and have left the queue, the newest first."""
        return _plain(self._schedd.history(constraint, projection))


def _plain(ads: Iterable[Mapping[str, Any]]) -> list[Ad]:
    return [
        {key: value if isinstance(value, (str, int, float, bool)) else str(value) for key, value in ad.items()}
        for ad in ads
    ]
