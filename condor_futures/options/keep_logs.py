"""The option ``keep_logs``: a directory for the jobs' logs."""

from __future__ import annotations

import os
from pathlib import Path

from condor_futures.errors import CondorFuturesError

__all__ = ["log_directory"]


def log_directory(keep_logs: object) -> Path | None:
    """Return the directory *keep_logs*, after creating it if necessary; None if *keep_logs* is None.

    Raises:
        TypeError: *keep_logs* is not a path.
        CondorFuturesError: the directory cannot be created, or is not writable.

    """
    if keep_logs is None:
        return None
    if not isinstance(keep_logs, (str, Path)) or keep_logs == "":
        raise TypeError(f"keep_logs must be a directory, as str or Path, not {keep_logs!r}")
    try:
        # A profile in TOML has no other notation for the home directory than "~".
        path = Path(keep_logs).expanduser().absolute()
    except RuntimeError as error:
        raise CondorFuturesError(f"keep_logs: {str(keep_logs)!r} cannot be expanded: {error}") from None
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CondorFuturesError(f"keep_logs: the directory {path} cannot be created: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise CondorFuturesError(f"keep_logs: you may not write to the directory {path}")
    return path
