"""Copies of each job's output, error and log in the directory that the option ``keep_logs`` names."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

from condor_futures.calls.bundle import Bundle

__all__ = [
    "keep_logs",
]

logger = logging.getLogger(__name__)

_SUFFIXES = {"stdout": "out", "stderr": "err", "log": "log"}


def keep_logs(bundle: Bundle, event_log: Path) -> None:
    """Copy the output, error and log of a job that has ended to ``CLUSTER.PROC.out``, ``.err`` and ``.log``.

    This does nothing without the option ``keep_logs``. A job that was held or removed while its files were spooled has
    no log of its own; its events are then copied from the session's *event_log*. Errors are logged, and do not fail the
    calls.
    """
    directory, job_id = bundle.options.keep_logs, bundle.job.job_id
    if directory is None or job_id is None:
        return
    for suffix, kept in _SUFFIXES.items():
        target = directory / f"{job_id}.{kept}"
        try:
            shutil.copyfile(bundle.path(suffix), target)
        except FileNotFoundError:
            if suffix == "log":
                _write_events(job_id, bundle.key, event_log, target)
        except OSError as error:
            logger.warning("cannot keep the %s of the job %s: %s", suffix, job_id, error)


def _write_events(job_id: str, bundle: str, event_log: Path, target: Path) -> None:
    cluster, proc = map(int, job_id.split("."))
    # 000 (012.003.000) 2026-11-21 11:28:25.940 Job submitted ..., down to a line of three dots
    event = re.compile(rb"^\d{3} \(%03d\.%03d\.\d+\) .*?^\.\.\.\n" % (cluster, proc), re.MULTILINE | re.DOTALL)
    try:
        jobs: list[list[bytes]] = []
        for text in event.findall(event_log.read_bytes()):
            if text.startswith(b"000 ") or not jobs:
                jobs.append([])  # a schedd that lost its queue uses an id again
            jobs[-1].append(text)
        if own := [job for job in jobs if f"bundle={bundle}\n".encode() in job[0]] or jobs:
            target.write_bytes(b"".join(own[-1]))
    except OSError as error:
        logger.warning("cannot keep the log of the job %s: %s", job_id, error)
