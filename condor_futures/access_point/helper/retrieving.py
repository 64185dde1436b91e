"""The outputs of spooled jobs are retrieved."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Sequence

from condor_futures.access_point.helper.locating import Located
from condor_futures.access_point.helper.words import Retrieved, either
from condor_futures.state_machine.hold_codes import JobStatus

__all__ = ["Retrieving", "is_full"]

#: What is wrong with a disk that has no room, for now.
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Retrieving(Located):
    """The operation that brings outputs from the access point to this disk."""

    def retrieve(self, jobs: list[str]) -> Retrieved:
        """Fetch the outputs of spooled jobs, and let these leave the queue as completed.

        A retrieved job leaves by itself only if the schedd had it as completed when the retrieval began (schedd.cpp,
        25.14), but the event that says it has ended is written before; schedds before 25 keep it for days. So
        we say that it may leave: by a constraint, because one that has left already would be an error for all others.
        """
        failed: dict[str, str] = {}
        no_room: dict[str, str] = {}
        try:
            self._schedd.retrieve(jobs)
        except self._htcondor.HTCondorException:
            # Between the event and the schedd's knowing of it, files may not be where it looks for them (error 7003).
            self._wait_until_completed(jobs)
            self._isolate(jobs, failed, no_room)
        done = [job for job in jobs if job not in failed and job not in no_room]
        if done:
            with contextlib.suppress(self._htcondor.HTCondorException):  # none of them is there any more
                self._schedd.edit(either(done), "LeaveJobInQueue", "false")
        return {"failed": failed, "no_room": no_room}

    def _wait_until_completed(self, jobs: Sequence[str], timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        clusters = " || ".join(f"ClusterId == {cluster}" for cluster in {job.split(".")[0] for job in jobs})
        while time.monotonic() < deadline:
            ads = self._schedd.query(f"JobStatus != {JobStatus.COMPLETED:d} && ({clusters})", ["ClusterId", "ProcId"])
            if not {f"{ad['ClusterId']}.{ad['ProcId']}" for ad in ads}.intersection(jobs):
                return
            time.sleep(0.05)

    def _isolate(self, jobs: Sequence[str], failed: dict[str, str], no_room: dict[str, str]) -> None:
        """Retrieve what can be: one job that cannot fails a call as a whole, so halve until it is alone.

        What of a file did not fit is removed by HTCondor itself (25.14), so that the next one finds that room.
        """
        try:
            self._schedd.retrieve(list(jobs))
        except self._htcondor.HTCondorException as error:
            if len(jobs) == 1 and is_full(error):
                no_room[jobs[0]] = str(error)  # the outcome is safe, and is asked for later
                return
            if len(jobs) == 1:
                self._reach()  # raises where it is the schedd that is away: that is not the job's fault
                try:
                    self._schedd.retrieve(list(jobs))
                except self._htcondor.HTCondorException:
                    failed[jobs[0]] = str(error)
                return
            middle = len(jobs) // 2
            self._isolate(jobs[:middle], failed, no_room)
            self._isolate(jobs[middle:], failed, no_room)


def is_full(error: BaseException) -> bool:
    """Whether files could not be transferred because there is no room for them; the words are those of 25.14."""
    return "writing to file" in str(error) and any(os.strerror(full) in str(error) for full in _FULL)
