"""HTCondor's numbers for job states and hold reasons (proc.h and condor_holdcodes.h, 25.14)."""

from __future__ import annotations

import enum

__all__ = [
    "DISK",
    "MEMORY",
    "NO_INITIAL_DIRECTORY",
    "NO_OUTPUT",
    "OUT_OF_RESOURCES",
    "POLICIES",
    "SPOOLING_INPUT",
    "TIME_LIMITS",
    "JobStatus",
]


class JobStatus(enum.IntEnum):
    """HTCondor's numbers for the state of a job in the queue (proc.h, 25.14)."""

    IDLE = 1
    RUNNING = 2
    REMOVED = 3
    COMPLETED = 4
    HELD = 5
    TRANSFERRING_OUTPUT = 6
    SUSPENDED = 7
    FAILED = 8
    """No job has this state in 25.14."""
    BLOCKED = 9
    """The job waits for input files that it shares with other jobs (``transfer_common_input``)."""
    PREPARING = 10
    """The access point must prepare the job before it may run."""


# HoldReasonCode.

NO_OUTPUT = 12
"""The output files of the job cannot be transferred (TransferOutputError)."""

NO_INITIAL_DIRECTORY = 14
"""The job's initial working directory, which is in the session's directory, cannot be entered."""

SPOOLING_INPUT = 16
"""The initial code of every spooled job until its input has arrived; not an actual hold."""

OUT_OF_RESOURCES = 34
"""The job used more of a resource than it had requested; the subcode identifies the resource."""

POLICIES = (3, 21, 26)
"""The job's own periodic_hold, the startd's WANT_HOLD, and the schedd's SYSTEM_PERIODIC_HOLD."""

TIME_LIMITS = {46: "allowed_job_duration", 47: "allowed_execute_duration"}
"""The submit command that limited the job's run time, by code."""

# HoldReasonSubCode, for resources.

MEMORY, DISK = 102, 104
