"""The executor's keyword arguments become a submit description with the intended meaning, or are refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from submit_language import expanded, htcondor2

from condor_futures.submit.command_names import canonical_name
from condor_futures.submit.commands import ALIASES, KNOWN, OWNED
from condor_futures.submit.description import check_submit_commands, describe, description_key, merge

USERS_COMMANDS = sorted(name for name in KNOWN if ALIASES.get(name, name) not in OWNED)


@pytest.fixture
def description(tmp_path: Path) -> dict[str, str]:
    """Return the description of a batch without submit commands of the user's."""
    return describe_in(tmp_path, {})


def describe_in(directory: Path, options: dict[str, object], **more: Any) -> dict[str, str]:
    """Describe a batch of the session "s1" in `directory`, with the user's `options`."""
    return describe(
        check_submit_commands(options),
        session_id="s1",
        runner=directory / "runner.py",
        directory=directory / "batch",
        event_log=directory / "event.log",
        **more,
    )


@pytest.mark.parametrize(
    ("more", "options", "when"),
    [
        ({}, {}, "ON_EXIT_OR_EVICT"),
        ({}, {"transfer_output_files": "a.root"}, "ON_EXIT"),
        ({"should_transfer_files": "IF_NEEDED"}, {}, "ON_EXIT"),
        ({"lines": Path("/session/lines"), "warm": True}, {}, "ON_EXIT"),
        ({"lines": Path("/session/streams"), "warm": False}, {}, "ON_EXIT_OR_EVICT"),
    ],
    ids=["own job", "output files", "directory that remains", "warm", "streaming"],
)
def test_when_outcomes_return(tmp_path: Path, more: dict, options: dict, when: str) -> None:
    """HTCondor refuses ON_EXIT_OR_EVICT together with IF_NEEDED. Warm jobs write outcomes through their line."""
    assert describe_in(tmp_path, options, **more)["when_to_transfer_output"] == when


class TestMerge:
    """A derived executor changes the options that it names, and inherits the rest."""

    def test_a_change_replaces_and_none_removes(self) -> None:
        """The inherited value is removed, under any of its names."""
        base = check_submit_commands({"priority": 1, "request_cpus": 2, "MY.Flavour": '"long"', "rank": "x"})
        changes = {"PRIO": 5, "RequestCpus": None, "+flavour": '"short"', "request_disk": None}
        assert merge(base, changes) == {"priority": "5", "rank": "x", "MY.flavour": '"short"'}

    @pytest.mark.parametrize(
        ("attribute", "command", "value"),
        [
            ("MY.RequestMemory", "request_memory", "200MB"),
            ("MY.requestdisk", "RequestDisk", "1GB"),
            ("MY.RequestFpgas", "request_fpgas", 1),
            ("MY.JobPrio", "prio", 3),
            ("MY.JobBatchName", "batch_name", "mine"),
            ("MY.AccountingGroup", "accounting_group", "mine"),
            ("MY.AcctGroup", "accounting_group", "mine"),
            ("MY.Requirements", "requirements", "true"),
            ("MY.ConcurrencyLimits", "concurrency_limits", "db"),
            ("MY.Env", "environment", "A=1"),
            ("MY.PeriodicHold", "periodic_hold", "false"),
        ],
    )
    def test_a_command_replaces_an_inherited_attribute(self, attribute: str, command: str, value: object) -> None:
        """HTCondor prefers the attribute, so the new value would mean nothing. None removes both."""
        base = check_submit_commands({attribute: "1", "MY.Other": "2"})
        assert merge(base, {command: value}).keys() == {canonical_name(command), "MY.Other"}
        assert merge(base, {command: None}).keys() - {"batch_name"} == {"MY.Other"}
        both = {command: value, attribute: "1"}
        assert merge({}, both).keys() == {canonical_name(command), attribute}

    def test_the_base_is_left_as_it_was(self) -> None:
        """Two executors derived from one do not affect each other."""
        base = {"rank": "x"}
        merge(base, {"rank": None})
        assert base == {"rank": "x"}

    def test_no_changes_change_nothing(self) -> None:
        """Values are not converted a second time."""
        base = check_submit_commands({"environment": {"A": "$(B)"}, "keep_claim_idle": None})
        assert merge(base, {}) == base


class TestDescribe:
    """The description has the executor's protocol and the user's options."""

    def test_htcondor_reads_the_whole_description(self, tmp_path: Path) -> None:
        """HTCondor's own parser finds each command with its value."""
        environment = {"A": "it's", "B": "$(C)"}
        description = describe_in(tmp_path, {"environment": environment, "+Flavour": '"long"', "max_retries": 2})
        assert dict(htcondor2.Submit(description)) == description

    def test_each_job_has_its_bundles_files(self, description: dict[str, str]) -> None:
        """All names depend on the item's only variable."""
        submit = htcondor2.Submit({**description, "bundle": "b7"})
        expected = {
            "arguments": "b7",
            "transfer_input_files": "b7.calls",
            "transfer_output_files": "b7.outcomes",
            "output": "b7.stdout",
            "error": "b7.stderr",
            "submit_event_user_notes": "bundle=b7",
            "MY.CondorFuturesBundle": '"b7"',
            "MY.CondorFuturesSession": '"s1"',
        }
        assert {name: submit.expand(name) for name in expected} == expected

    def test_the_session_has_one_event_log_and_the_job_none(self, description: dict[str, str], tmp_path: Path) -> None:
        """A job's own log would move into the spool directory. The dagman_log does not."""
        assert description["dagman_log"] == f"{tmp_path}/event.log"
        assert "log" not in description

    def test_the_site_chooses_resources_that_the_user_did_not(self, description: dict[str, str]) -> None:
        """The site may set JOB_DEFAULT_REQUEST..."""
        assert not [name for name in description if name.startswith("request_")]

    def test_the_users_files_travel_after_ours(self, tmp_path: Path) -> None:
        """Both lists are merged, and neither is lost."""
        options: dict[str, object] = {"transfer_input_files": "/data/a", "transfer_output_files": ["b", "c"]}
        description = describe_in(tmp_path, options)
        assert description["transfer_input_files"] == "$(bundle).calls, /data/a"
        assert description["transfer_output_files"] == "$(bundle).outcomes, b, c"

    def test_the_user_overrides_or_removes_each_default(self, tmp_path: Path) -> None:
        """A default applies unless the user sets another value; `None` removes it, even on a derived executor."""
        defaults = {"keep_claim_idle": "20", "notification": "never", "batch_name": "condor_futures s1"}
        assert defaults.items() <= describe_in(tmp_path, {}).items()
        assert describe_in(tmp_path, {"keep_claim_idle": 300})["keep_claim_idle"] == "300"
        assert not defaults.keys() & describe_in(tmp_path, dict.fromkeys(defaults)).keys()

    def test_what_the_executor_owns_wins_over_unchecked_commands(
        self, description: dict[str, str], tmp_path: Path
    ) -> None:
        """Even commands that avoided the check cannot replace the runner."""
        described = describe(
            {"executable": "/bin/false", "universe": "local"},
            session_id="s1",
            runner=tmp_path / "runner.py",
            directory=tmp_path / "batch",
            event_log=tmp_path / "event.log",
        )
        assert described == description

    def test_odd_directories_are_written_as_they_are(self) -> None:
        """Blanks, quotation marks and dollar signs in a path have no meaning in the language."""
        at = Path('/o dd/it\'s "$(x)"/$F(y)')
        description = describe_in(at, {})
        for command, name in (
            ("executable", "runner.py"),
            ("initialdir", "batch"),
            ("dagman_log", "event.log"),
        ):
            assert expanded(command, description[command]).removesuffix("/") == str(at / name)

    @pytest.mark.parametrize("path", ["relative", "/new\nline"])
    def test_a_directory_that_cannot_be_written_is_refused(self, path: str) -> None:
        """HTCondor would look for a relative path in the batch directory."""
        with pytest.raises(ValueError, match="must be"):
            describe_in(Path(path), {})

    @pytest.mark.parametrize("session_id", ["", 'a"b', "a b", "a\n", "é"])
    def test_a_session_id_that_needs_quoting_is_refused(self, session_id: str, tmp_path: Path) -> None:
        """The id is inside a ClassAd string."""
        with pytest.raises(ValueError, match="session id"):
            describe({}, session_id=session_id, runner=tmp_path, directory=tmp_path, event_log=tmp_path)


def test_equal_commands_in_any_order_have_one_key() -> None:
    """Calls with equal options share a cluster, whatever the order of the options."""
    options = {"request_cpus": 2, "rank": "x", "prio": 1}
    keys = {description_key(check_submit_commands(dict(items))) for items in itertools.permutations(options.items())}
    assert len(keys) == 1
    assert description_key(check_submit_commands({"rank": "y"})) not in keys
