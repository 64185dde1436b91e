"""``condor-futures ssh``: a shell where a job runs, by HTCondor's ``condor_ssh_to_job``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from condor_futures.access_point.job_info import query_jobs
from condor_futures.access_point.location import Location
from condor_futures.cli.locating import AccessPointName, CollectorName, connected, constraint_for, locate
from condor_futures.errors import CondorFuturesError
from condor_futures.personal import find_htcondor

__all__ = ["ssh"]

#: All that condor_ssh_to_job (25.14) prints if the starter finds no sshd: an option for which it has no use here.
_ADVICE = b"(Use -auto-retry"


def ssh(
    job: Annotated[str, typer.Argument(metavar="JOB", help="CLUSTER or CLUSTER.PROC.")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]...", help="Run this command instead of a shell.")
    ] = None,
    access_point: AccessPointName = None,
    pool: CollectorName = None,
) -> None:
    """Open a shell on the machine where a job runs, in the directory of the job, or run a command there.

    Options go before JOB. The exit status is that of the shell or the command, or 1 if condor_ssh_to_job cannot
    connect. The execution point needs sshd (the package openssh-server), and this machine needs ssh.
    """
    constraint = constraint_for(job if "." in job else f"{job}.0", None)
    location = locate(access_point, pool)
    environment = dict(location.environment or os.environ)
    if shutil.which("ssh", path=environment.get("PATH")) is None:
        raise CondorFuturesError("there is no ssh on PATH; install the package openssh-client")
    with connected(location) as helper:
        jobs = query_jobs(helper, constraint, mine=True, why=False)
    if not jobs or jobs[0].state != "running":
        state = jobs[0].state if jobs else "not in the queue"
        raise CondorFuturesError(f"only a running job has a shell, and the job {job} is {state}")
    status = _run([str(_program(environment)), *_arguments(location, job, command or [])], environment)
    if status is None:
        raise CondorFuturesError(
            f"condor_ssh_to_job cannot connect to the job {job}: the execution point may have no sshd (the package "
            "openssh-server), or the site may forbid it (ENABLE_SSH_TO_JOB)"
        )
    raise typer.Exit(status if status >= 0 else 128 - status)  # a signal's number, as shells have it


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Run condor_ssh_to_job; return its status, or None if it could not connect and does not say why."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        failed = False
        while data := os.read(process.stderr.fileno(), 4096):
            failed = failed or data.startswith(_ADVICE)
            if not failed:
                sys.stderr.buffer.write(data)
                sys.stderr.buffer.flush()
    return None if failed else process.returncode


def _program(environment: dict[str, str]) -> Path:
    found = shutil.which("condor_ssh_to_job", path=environment.get("PATH"))
    if found is not None:
        return Path(found)
    release = find_htcondor(environment)
    if release is None:
        raise CondorFuturesError(
            "there is no condor_ssh_to_job on this machine; install HTCondor, or run `condor-futures pool install`"
        )
    return release.tool("condor_ssh_to_job")


def _arguments(location: Location, job: str, command: Sequence[str]) -> list[str]:
    """Return the arguments of condor_ssh_to_job.

    >>> _arguments(Location("cm.example.org", "ap1@example.org"), "16.0", ["ls", "-l"])
    ['-name', 'ap1@example.org', '-pool', 'cm.example.org', '16.0', 'ls', '-l']

    """
    name = ["-name", location.name] if location.name is not None else []
    pool = ["-pool", location.pool] if location.pool is not None else []
    return [*name, *pool, job, *command]
