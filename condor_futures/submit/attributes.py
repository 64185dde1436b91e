"""The names of the job attributes that this package adds to HTCondor's own.

The submit command ``MY.<attribute>`` sets an attribute. The helper process imports this module.
"""

from __future__ import annotations

__all__ = ["BATCH", "BUNDLE", "CALLS", "MEMORY_RAISED", "SESSION", "WARM"]

SESSION = "CondorFuturesSession"
"""The id of the session that the job belongs to; a DAGMan job has it too."""

BUNDLE = "CondorFuturesBundle"
"""The key of the bundle whose calls the job makes."""

CALLS = "CondorFuturesCalls"
"""The number of the bundle's calls."""

WARM = "CondorFuturesWarm"
"""True if the job is warm: it is given its calls while it runs."""

BATCH = "CondorFuturesBatch"
"""The name of the submission that submitted the job: a repeated request finds the job by this name."""

MEMORY_RAISED = "CondorFuturesMemoryRaised"
"""The EnteredCurrentStatus of the last hold after which the job's memory request was raised."""
