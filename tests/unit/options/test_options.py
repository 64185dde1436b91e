"""The options of jobs: how they change, which jobs share a cluster, and what a session stores of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from condor_futures.options.on_hold import OnHold
from condor_futures.options.options import Options
from condor_futures.options.ship import Shipping
from condor_futures.state_machine.states import HoldPolicy


@pytest.fixture
def options(tmp_path):
    """None of the options has its default value."""
    (tmp_path / "code.zip").touch()
    return Options(
        {"request_cpus": "2", "rank": "Memory"},
        spool=True,
        ship=Shipping([tmp_path / "code.zip"]),
        category="disk",
        discard=True,
        cluster="k000001",
        keep_logs=tmp_path,
        on_hold=OnHold().changed("wait", 4096),
    )


def test_none_keeps_what_there_is(options):
    same = options.changed({})
    assert vars(same) == vars(options)


def test_what_is_given_replaces_one_thing_only(options):
    """A submit command with the value None is removed."""
    changed = options.changed(
        {"request_cpus": None, "prio": 5}, spool=False, category="", discard_result=False, ship=[]
    )
    assert changed.commands == {"rank": "Memory", "priority": "5"}
    assert (changed.spool, changed.category, changed.discard, changed.ship.files) == (False, "", False, [])
    assert (changed.keep_logs, changed.on_hold) == (options.keep_logs, options.on_hold)
    assert options.commands == {"request_cpus": "2", "rank": "Memory"}


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"spool": "no"}, TypeError, "spool must be True or False, not 'no'"),
        ({"discard_result": 1}, TypeError, "discard_result must be True or False, not 1"),
        ({"category": 3}, TypeError, "category must be a str or None, not int"),
        ({"ship": "numpy"}, TypeError, "ship must be 'auto', or a list"),
        ({"ship": [Path("/no/such")]}, FileNotFoundError, "the file .* in ship does not exist"),
        ({"submit_commands": {"request_memry": 1}}, TypeError, "did you mean 'request_memory'"),
    ],
)
def test_what_is_wrong_is_refused(options, given, error, sentence):
    with pytest.raises(error, match=sentence):
        options.changed(**{"submit_commands": {}, **given})


def test_jobs_of_equal_wishes_share_a_cluster():
    """The order of the options does not matter, nor do options that do not concern the job."""
    first = Options({"request_cpus": "2", "rank": "x"}, spool=True)
    assert first.key == Options({"rank": "x", "request_cpus": "2"}, spool=True, discard=True).key


@pytest.mark.parametrize("given", [{"spool": False}, {"category": "disk"}, {"submit_commands": {"priority": 1}}])
def test_jobs_of_other_wishes_do_not(given):
    options = Options({}, spool=True)
    assert options.changed(**{"submit_commands": {}, **given}).key != options.key


def test_a_session_keeps_it_as_json(options):
    """The JSON may name files that no longer exist."""
    kept = Options.from_record(json.loads(json.dumps(options.record())))
    assert kept.record() == options.record()
    assert kept.key == options.key
    options.ship.files[0].unlink()
    assert Options.from_record(options.record()).ship.files == options.ship.files


@pytest.mark.parametrize(
    "commands", [{}, {"transfer_input_files": "a"}, {"transfer_output_remaps": '"a = b"'}, {"request_cpus": "2"}]
)
def test_files_of_the_users_own_are_known(commands, tmp_path):
    """HTCondor or the client has to transfer them."""
    assert Options(commands, spool=False).own_files is any(name.startswith("transfer") for name in commands)
    (tmp_path / "code.zip").touch()
    assert Options(commands, spool=False, ship=Shipping([tmp_path / "code.zip"])).own_files


def test_what_is_learned_is_learned_for_each_function():
    """Also after a session was left: its bundles say which function they call."""
    auto = {"request_memory": "auto"}
    fit, plot = (Options(auto, spool=True, function=name) for name in ("fit", "plot"))
    assert fit.kind != plot.kind
    assert fit.key != plot.key
    assert Options.from_record(json.loads(json.dumps(fit.record()))).kind == fit.kind


def test_jobs_whose_memory_is_learned_are_released_with_more():
    """Up to what the user says, or else to 16 GiB."""
    auto = Options({"request_memory": "auto"}, spool=True, on_hold=OnHold().changed("wait"))
    assert auto.hold_policy == HoldPolicy("wait", memory_max=16384)
    limited = Options(auto.commands, spool=True, on_hold=OnHold().changed(memory_max="2GB"))
    assert limited.hold_policy.memory_max == 2048
    assert Options({"request_disk": "auto"}, spool=True).hold_policy == HoldPolicy()
