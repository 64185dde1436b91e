"""The names of submit commands: a known one in any case, a misspelled one, one that the executor owns."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from submit_language import htcondor2

from condor_futures.submit.command_names import canonical_name
from condor_futures.submit.commands import ALIASES, COMMANDS, ELSEWHERE, KNOWN, OPTIONS, OWNED, OWNED_ATTRIBUTES
from condor_futures.submit.description import check_submit_commands, merge

USERS_COMMANDS = sorted(name for name in KNOWN if ALIASES.get(name, name) not in OWNED)


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
