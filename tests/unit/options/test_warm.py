"""Options that concern a job as a whole have a job for each bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.options.on_hold import OnHold
from condor_futures.options.options import Options
from condor_futures.options.ship import Shipping
from condor_futures.options.warm import can_stream, closed_because
from condor_futures.state_machine.states import HoldPolicy
from condor_futures.submit.commands import KNOWN


def why(commands=(), *, spool=True, **options):
    return closed_because(Options(dict(commands), spool=spool, warm=60.0, **options))


@pytest.mark.parametrize("spool", [True, False])
def test_what_each_call_needs_is_no_obstacle(spool):
    """Such options choose the machine, or hold for all that run in the job."""
    commands = {"request_cpus": "2", "request_memory": "1000", "requirements": "true", "environment": "A=1"}
    assert why(commands, spool=spool, discard=True) is None


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("allowed_execute_duration", "60"),
        ("allowed_job_duration", "60"),
        ("cron_hour", "3"),
        ("deferral_time", "1000"),
        ("job_machine_attrs", "Machine"),
        ("on_exit_hold", "ExitCode == 3"),
        ("output_destination", "s3://there"),
        ("transfer_output_files", "a.root"),
        ("transfer_output_remaps", "a.root=b.root"),
        ("want_io_proxy", "true"),
    ],
)
def test_a_command_for_a_whole_job_is_named(command, value):
    """An empty value counts as none."""
    assert command in KNOWN
    assert why({command: value}).startswith(f"{command} ")
    assert why({command: ""}) is None


def test_an_attribute_counts_like_its_command():
    """HTCondor prefers the attribute."""
    assert why({"MY.OnExitHold": "ExitCode == 3"}) == "on_exit_hold depends on the exit status of a job"
    assert why({"MY.OnExitRemove": "ExitCode == 0"}) == "HTCondor counts the retries of a job"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"commands": {"max_retries": "2"}}, "HTCondor counts the retries of a job"),
        ({"cluster": "k000000"}, "the jobs of a cluster have numbers"),
        ({"category": "small"}, "a category limits the number of jobs"),
        ({"keep_logs": Path("/logs")}, "keep_logs keeps the output of each job"),
        ({"on_hold": OnHold(HoldPolicy("release"))}, "on_hold and memory_max concern the call of a job"),
        ({"on_hold": OnHold(HoldPolicy("fail", memory_max=4000))}, "on_hold and memory_max concern the call of a job"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_option_for_a_whole_job_is_explained(options, reason):
    assert why(**options) == reason


def test_the_users_own_files_are_read_by_the_client_only():
    """Otherwise the access point would have to read them, and a warm job may use the files of its session only."""
    for options in ({"commands": {"transfer_input_files": "a"}}, {"ship": Shipping.of_files([Path("/a.whl")])}):
        assert why(**options, spool=True) is None
        assert why(**options, spool=False) == "the access point would have to read files outside the session"


@pytest.mark.parametrize("command", ["request_memory", "request_disk"])
def test_what_is_learned_is_learned_from_jobs_that_end(command):
    """Such a job streams, where warm jobs are possible."""
    assert why({command: "auto"}) == f"{command}='auto' is learned from jobs that have ended"
    assert can_stream(Options({command: "auto"}, spool=True, warm=60.0))
