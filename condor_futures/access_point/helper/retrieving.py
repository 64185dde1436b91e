"""The retrieval of the outputs of spooled jobs."""

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

#: The error numbers of a disk that has no room at present.
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Retrieving(Located):
    """The operation that copies outputs from the access point to this disk."""

    def retrieve(self, jobs: list[str]) -> Retrieved:
        """Retrieve the outputs of spooled jobs, and let these jobs leave the queue as completed.

        A retrieved job leaves by itself only if it was completed for the schedd when the retrieval began (schedd.cpp,
        25.14). But the schedd writes the event for the end of the job earlier, and schedds before 25 keep a retrieved
        job for days. So this method sets LeaveJobInQueue to false. It selects the jobs by a constraint, because an id
        of a job that has left the queue would make the edit fail for all jobs.
        """
        failed: dict[str, str] = {}
        no_room: dict[str, str] = {}
        try:
            self._schedd.retrieve(jobs)
        except self._htcondor.HTCondorException:
            # Between the event and the job's completion, the schedd may look in vain for the files (error 7003).
            self._wait_until_completed(jobs)
            self._isolate(jobs, failed, no_room)
        done = [job for job in jobs if job not in failed and job not in no_room]
        if done:
            with contextlib.suppress(self._htcondor.HTCondorException):  # all of them have left the queue
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
        """Retrieve as many jobs as possible: one bad job makes a whole call fail, so halve the list until it is alone.

        HTCondor removes a file that did not fit (25.14), so the next job can use the room.
        """
        try:
            self._schedd.retrieve(list(jobs))
        except self._htcondor.HTCondorException as error:
            if len(jobs) == 1 and is_full(error):
                no_room[jobs[0]] = str(error)  # the outcome is safe on the access point, and is requested again later
                return
            if len(jobs) == 1:
                self._reach()  # raises if the schedd is unreachable, which is not the job's fault
                try:
                    self._schedd.retrieve(list(jobs))
                except self._htcondor.HTCondorException:
                    failed[jobs[0]] = str(error)
                return
            middle = len(jobs) // 2
            self._isolate(jobs[:middle], failed, no_room)
            self._isolate(jobs[middle:], failed, no_room)


def is_full(error: BaseException) -> bool:
    """Whether a file transfer failed because there is no room; the error messages are those of 25.14."""
    return "writing to file" in str(error) and any(os.strerror(full) in str(error) for full in _FULL)
