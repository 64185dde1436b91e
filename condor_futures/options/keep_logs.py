"""The option ``keep_logs``: a directory for the jobs' logs."""

from __future__ import annotations

import os
from pathlib import Path

from condor_futures.errors import CondorFuturesError

__all__ = ["log_directory"]


def log_directory(keep_logs: object) -> Path | None:
    """The directory that *keep_logs* names, made if it is not there.

    Raises:
        TypeError: if it is no path.
        CondorFuturesError: if it cannot be made, or nothing can be written there.

    """
    if keep_logs is None:
        return None
    if not isinstance(keep_logs, (str, Path)) or keep_logs == "":
        raise TypeError(f"keep_logs must be a directory, as str or Path, not {keep_logs!r}")
    try:
        path = Path(keep_logs).expanduser().absolute()  # a profile's TOML has no other way to say "my home"
    except RuntimeError as error:
        raise CondorFuturesError(f"keep_logs: no directory {str(keep_logs)!r}: {error}") from None
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CondorFuturesError(f"keep_logs: no directory can be made at {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise CondorFuturesError(f"keep_logs: nothing can be written to {path}")
    return path
