"""The words that client and helper process both use."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["NEVER_RAN", "either"]


#: Why a job is removed of which a copy, or another attempt, counts: the event log is asked for this later.
NEVER_RAN = "condor_futures: this job does not count"


def either(jobs: Sequence[str]) -> str:
    """A constraint that selects these jobs; they need not be there."""
    return " || ".join("(ClusterId == {} && ProcId == {})".format(*job.split(".")) for job in jobs)
