"""The names of the attributes that our jobs have besides HTCondor's own.

A submit description sets an attribute by the command ``MY.`` and its name. The helper process imports this module.
"""

from __future__ import annotations

__all__ = ["BATCH", "BUNDLE", "CALLS", "MEMORY_RAISED", "SESSION"]

SESSION = "CondorFuturesSession"
"""The id of the session that the job belongs to; a DAGMan job has it too."""

BUNDLE = "CondorFuturesBundle"
"""The key of the bundle whose calls the job makes."""

CALLS = "CondorFuturesCalls"
"""How many calls these are."""

BATCH = "CondorFuturesBatch"
"""The name of the submission that brought the job into the queue: a repeated request finds the job by this name."""

MEMORY_RAISED = "CondorFuturesMemoryRaised"
"""The EnteredCurrentStatus of the hold for which the job was last allowed more memory."""
