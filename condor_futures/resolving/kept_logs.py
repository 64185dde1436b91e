"""Output, error and log of each job, kept where the user wants them: ``keep_logs=``."""

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
    """Copy what there is of a job that has ended to ``CLUSTER.PROC.out``, ``.err`` and ``.log``, if that is wanted.

    A job that was held or removed while its files were spooled brings no log of its own; then its events are taken from
    the session's *event_log*. What goes wrong is logged: it is no reason to fail the calls.
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
            logger.warning("%s of the job %s is not kept: %s", suffix, job_id, error)


def _write_events(job_id: str, bundle: str, event_log: Path, target: Path) -> None:
    cluster, proc = map(int, job_id.split("."))
    # 000 (012.003.000) 2026-11-21 11:28:25.940 Job submitted ..., down to a line of three dots
    event = re.compile(rb"^\d{3} \(%03d\.%03d\.\d+\) .*?^\.\.\.\n" % (cluster, proc), re.MULTILINE | re.DOTALL)
    try:
        jobs: list[list[bytes]] = []
        for text in event.findall(event_log.read_bytes()):
            if text.startswith(b"000 ") or not jobs:
                jobs.append([])  # a schedd that lost its queue gives an id to another job
            jobs[-1].append(text)
        if own := [job for job in jobs if f"bundle={bundle}\n".encode() in job[0]] or jobs:
            target.write_bytes(b"".join(own[-1]))
    except OSError as error:
        logger.warning("the log of the job %s is not kept: %s", job_id, error)
