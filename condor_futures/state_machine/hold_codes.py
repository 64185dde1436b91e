"""HTCondor's numbers for a job's state and for the reasons of holds (proc.h and condor_holdcodes.h, 25.14)."""

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
    """A job's state in the queue, as HTCondor numbers it (proc.h, 25.14)."""

    IDLE = 1
    RUNNING = 2
    REMOVED = 3
    COMPLETED = 4
    HELD = 5
    TRANSFERRING_OUTPUT = 6
    SUSPENDED = 7
    FAILED = 8
    """That no job has, up to now."""
    BLOCKED = 9
    """It waits for input files that it shares with others (``transfer_common_input``)."""
    PREPARING = 10
    """The access point has things to do for it before it may run."""


# HoldReasonCode.

NO_OUTPUT = 12
"""The output files of the job cannot be transferred (TransferOutputError)."""

NO_INITIAL_DIRECTORY = 14
"""The initial working directory of the job, which is the session's, cannot be entered."""

SPOOLING_INPUT = 16
"""The code with which every spooled job begins, until its input is there: it is no hold."""

OUT_OF_RESOURCES = 34
"""The job used more of a resource than it had requested; the subcode says of which."""

POLICIES = (3, 21, 26)
"""The job's own periodic_hold, the startd's WANT_HOLD, and the schedd's SYSTEM_PERIODIC_HOLD."""

TIME_LIMITS = {46: "allowed_job_duration", 47: "allowed_execute_duration"}
"""The submit command that allowed the job to run for so long only."""

# HoldReasonSubCode, where resources are the reason.

MEMORY, DISK = 102, 104
