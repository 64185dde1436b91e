"""The executor's keyword arguments become a submit description with the intended meaning, or are refused."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from submit_language import expanded, htcondor2

from condor_futures.submit.commands import ALIASES, COMMANDS, ELSEWHERE, KNOWN, OPTIONS, OWNED, OWNED_ATTRIBUTES
from condor_futures.submit.description import canonical_name, check_submit_commands, describe, description_key, merge

USERS_COMMANDS = sorted(name for name in KNOWN if ALIASES.get(name, name) not in OWNED)


@pytest.fixture
def description(tmp_path: Path) -> dict[str, str]:
    """Return the description of a batch without submit commands of the user's."""
    return describe_in(tmp_path, {})


def describe_in(directory: Path, options: dict[str, object]) -> dict[str, str]:
    """Describe a batch of the session "s1" in `directory`, with the user's `options`."""
    return describe(
        check_submit_commands(options),
        session_id="s1",
        runner=directory / "runner.py",
        directory=directory / "batch",
        event_log=directory / "event.log",
    )


class TestNames:
    """Every command of condor_submit is a keyword. A misspelled one is not."""

    @pytest.mark.parametrize("name", USERS_COMMANDS)
    def test_every_known_command_is_accepted_in_any_case(self, name: str) -> None:
        """A name from HTCondor's source, in any case, is taken under its first name."""
        assert canonical_name(name) == canonical_name(name.upper()) == ALIASES.get(name, name)

    @pytest.mark.parametrize("name", sorted(OWNED))
    def test_every_owned_command_is_refused_with_advice(self, name: str) -> None:
        """The message names the command, and says in one sentence why it is refused and what to do."""
        with pytest.raises(TypeError, match=rf"does not take the submit command '{name}': \w.{{20,}}") as refusal:
            check_submit_commands({name: "x"})
        assert "\n" not in str(refusal.value)
        assert re.search(r"; |, so the executor keeps", str(refusal.value)), "no advice"

    @pytest.mark.parametrize("alias", sorted(alias for alias, name in ALIASES.items() if name in OWNED))
    def test_an_owned_command_is_refused_under_its_other_names(self, alias: str) -> None:
        """`stdout` is `output`."""
        with pytest.raises(TypeError, match=alias):
            check_submit_commands({alias: "x"})

    @pytest.mark.parametrize("prefix", ["MY.", "my.", "+"])
    @pytest.mark.parametrize("attribute", sorted(OWNED_ATTRIBUTES))
    def test_no_custom_attribute_reaches_around_an_owned_command(self, prefix: str, attribute: str) -> None:
        """`MY.Iwd` would win over the executor's initialdir."""
        with pytest.raises(TypeError, match="does not take"):
            check_submit_commands({prefix + attribute.upper(): "x"})

    def test_the_executors_own_attributes_are_refused(self) -> None:
        """A job with another session's attribute would be taken for a job of that session."""
        with pytest.raises(TypeError, match="finds its own jobs"):
            check_submit_commands({"MY.CondorFuturesSession": '"other"'})

    @pytest.mark.parametrize(
        ("slip", "meant"),
        [
            ("request_memry", "request_memory"),
            ("request_mem", "request_memory"),
            ("request_cpu", "request_cpus"),
            ("Request_GPU", "request_gpus"),
            ("requestmemry", "request_memory"),
            ("memory", "request_memory"),
            ("max_retry", "max_retries"),
            ("allowed_execution_duration", "allowed_execute_duration"),
            ("executible", "executable"),
        ],
    )
    def test_a_slip_gets_the_nearest_name(self, slip: str, meant: str) -> None:
        """A misspelled command is an error that names the nearest command."""
        expected = f"there is no submit command {slip!r}; did you mean {meant!r}?"
        with pytest.raises(TypeError, match=f"^{re.escape(expected)}$"):
            check_submit_commands({slip: 1})

    @pytest.mark.parametrize(("word", "meant"), ELSEWHERE.items())
    def test_a_word_of_another_system_gets_ours(self, word: str, meant: Sequence[str]) -> None:
        """The word is none of our names, and the suggestion is one."""
        assert word not in KNOWN | OPTIONS.keys()
        assert set(meant) <= (COMMANDS - OWNED.keys()) | OPTIONS.keys() | {"job_flavour"}
        with pytest.raises(TypeError, match=f"no submit command '{word}'; did you mean '{meant[0]}'"):
            check_submit_commands({word: 1})

    @pytest.mark.parametrize("name", sorted(OPTIONS))
    def test_a_keyword_of_an_executor_is_named_as_such(self, name: str) -> None:
        """The keyword is given where it is not allowed: in a DAG's executor or in a submit file."""
        with pytest.raises(TypeError, match=f"^'{name}' is not a submit command but a keyword of "):
            check_submit_commands({name: 1})

    @pytest.mark.parametrize("name", ["zzzzz", "", "my.", "MY.a b", "a = b", "request_", "request__x", "+1st"])
    def test_a_name_like_no_other_points_to_the_manual(self, name: str) -> None:
        """Without a near name, the error says where all names are listed, and how attributes are written."""
        with pytest.raises(TypeError, match=r"manual of condor_submit lists all commands; use 'MY\.<attribute>'"):
            check_submit_commands({name: 1})

    @pytest.mark.parametrize(
        "name",
        [
            "request_fpgas",
            "request_tpus",
            "scitokens_oauth_permissions",
            "box_oauth_resource_mine",
            "jupyter_container_port",
            "ec2_tag_owner",
        ],
    )
    def test_names_with_a_part_of_the_users_are_accepted(self, name: str) -> None:
        """Custom resources, token services and tags are named by sites and users."""
        assert check_submit_commands({name: 1}) == {name: "1"}

    def test_one_command_under_two_names_is_refused(self) -> None:
        """Otherwise, chance would decide whether `prio` or `priority` counts."""
        with pytest.raises(TypeError, match="twice, as 'prio' and as 'Priority'"):
            check_submit_commands({"prio": 1, "Priority": 2})

    @pytest.mark.parametrize(
        ("version", "known"),
        [
            ("24.0.24", set()),
            ("25.0.14", {"primary_unix_group"}),
            ("25.14.1", {"primary_unix_group", "retry_request_memory"}),
        ],
    )
    def test_what_older_bindings_ignore_is_refused(self, monkeypatch, version: str, known: set[str]) -> None:
        """The job would silently be without it."""
        monkeypatch.setattr(htcondor2, "version", lambda: f"$CondorVersion: {version} 2026-09-24 $")
        for name in ("primary_unix_group", "retry_request_memory"):
            if name in known:
                assert check_submit_commands({name: "1"})
            else:
                with pytest.raises(ValueError, match=f"bindings {version} ignore the submit command '{name}'"):
                    check_submit_commands({name: "1"})
            assert merge({}, {name: None}) == {}

    def test_a_job_flavour_is_cerns(self) -> None:
        """It becomes the attribute that CERN's schedds read. A misspelled flavour is an error."""
        assert check_submit_commands({"job_flavour": "tomorrow"}) == {"MY.JobFlavour": '"tomorrow"'}
        assert merge({"MY.JobFlavour": '"tomorrow"'}, {"job_flavour": None}) == {}
        with pytest.raises(ValueError, match="did you mean 'tomorrow'"):
            check_submit_commands({"job_flavour": "tommorow"})
        with pytest.raises(ValueError, match="espresso, microcentury"):
            check_submit_commands({"job_flavour": 3})


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
