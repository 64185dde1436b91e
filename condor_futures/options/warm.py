"""Which jobs can be warm: those whose options concern each call, and not the job as a whole."""

from __future__ import annotations

import functools
from typing import Final

from condor_futures.options.options import Options
from condor_futures.submit.automatic import automatic
from condor_futures.submit.command_names import attribute_of
from condor_futures.submit.description import retried

__all__ = ["can_stream", "closed_because", "default_warm"]

#: Seconds for which a warm job of a personal pool waits for calls, unless the user says how long.
_PERSONAL: Final = 20.0

#: Submit commands that count, limit or keep what one call does, by what they do to a job.
_OF_A_JOB: Final = {
    "allowed_execute_duration": "limits the time of a job",
    "allowed_job_duration": "limits the time of a job",
    "cron_day_of_month": "starts a job at a time",
    "cron_day_of_week": "starts a job at a time",
    "cron_hour": "starts a job at a time",
    "cron_minute": "starts a job at a time",
    "cron_month": "starts a job at a time",
    "deferral_time": "starts a job at a time",
    "job_machine_attrs": "keeps attributes of the machines of a job",
    "on_exit_hold": "depends on the exit status of a job",
    "retry_request_disk": "raises the request of a job",
    "retry_request_memory": "raises the request of a job",
    "retry_request_memory_increase": "raises the request of a job",
    "retry_request_memory_max": "raises the request of a job",
    "output_destination": "keeps the output files of a job",
    "transfer_output_files": "keeps the output files of a job",
    "transfer_output_remaps": "keeps the output files of a job",
    "want_io_proxy": "gives jobs a proxy without limits",
}
#: Those of them whose jobs also do not stream: a call has ended when its output files are here.
_OF_OUTPUT: Final = ("output_destination", "transfer_output_files", "transfer_output_remaps", "want_io_proxy")
#: Attributes that the executor sets in the ads of warm jobs, to limit what they can do through the proxy.
_LIMITS: Final = {"my.limitdirectoryaccess", "my.wantioproxy", "my.wantremoteupdates"}


def default_warm(access_point: object) -> float:
    """Return the seconds for which warm jobs wait for calls at an *access_point*, unless the user says how long.

    By HTCondor's own channel a warm job can reach files of its owner at the access point. The shadow of HTCondor 25.14
    does not limit all of these accesses, so at other access points it is for the user to decide. In a personal pool a
    job runs on the same machine, as the same user as its shadow: the channel gives it nothing that it does not have.

    >>> default_warm("personal"), default_warm(None)
    (20.0, 0.0)
    """
    return _PERSONAL if access_point == "personal" else 0.0


def can_stream(options: Options) -> bool:
    """Return whether a job that makes the calls of one bundle has a line to the client, as warm jobs have.

    >>> can_stream(Options({"max_retries": "2"}, spool=True, warm=20.0))
    True
    >>> can_stream(Options({"max_retries": "2"}, spool=True)), can_stream(Options({}, spool=True, warm=20.0))
    (False, False)

    """
    if not (options.warm and options.spool) or closed_because(options) is None:
        return False
    commands = options.commands
    limits = any(command.lower() in _LIMITS for command in commands)
    return not (limits or options.keep_logs is not None or any(commands.get(command) for command in _OF_OUTPUT))


@functools.lru_cache(maxsize=64)  # each submit() asks it
def closed_because(options: Options, *, shared_files: bool = False) -> str | None:
    """Return why each bundle with these *options* gets a job of its own; None if warm jobs can make its calls.

    Args:
        options: the options.
        shared_files: whether jobs see the files of the session.

    >>> closed_because(Options({"transfer_output_files": "b.root"}, spool=True, warm=20.0))
    'transfer_output_files keeps the output files of a job'
    >>> closed_because(Options({"request_cpus": "2"}, spool=True, warm=20.0)) is None
    True

    """
    policy = options.on_hold.policy
    given = {attribute_of(command) for command, value in options.commands.items() if value}  # also as MY.<attribute>
    reasons = {f"{command} {why}": attribute_of(command) in given for command, why in _OF_A_JOB.items()}
    reasons |= {
        f"{command}='auto' is learned from jobs that have ended": True for command in automatic(options.commands)
    }
    reasons |= {f"{command} is a limit of warm jobs": command.lower() in _LIMITS for command in options.commands}
    reasons |= {
        "HTCondor counts the retries of a job": retried(options.commands),
        "the jobs of a cluster have numbers": options.cluster is not None,
        "a category limits the number of jobs": options.category is not None,
        "keep_logs keeps the output of each job": options.keep_logs is not None,
        "on_hold and memory_max concern the call of a job": policy.action != "fail" or policy.memory_max is not None,
        "the access point would have to read files outside the session": options.own_files and not options.spool,
        "the access point would have to read python_environment outside the files of the job": (
            options.environment is not None and not options.spool and not (shared_files and not options.in_container)
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
