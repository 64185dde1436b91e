"""The executor's keyword arguments become a submit description that says what was meant, or are refused."""

from __future__ import annotations

import inspect
import itertools
import os
import re
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from condor_futures import CondorExecutor
from condor_futures.submit_commands import ALIASES, COMMANDS, KNOWN, OPTIONS, OWNED, OWNED_ATTRIBUTES
from condor_futures.submit_description import (
    canonical_name,
    check_session_directory,
    check_shipped,
    check_submit_commands,
    describe,
    description_key,
    merge,
    quote_environment,
)

# The bindings read their configuration on import; these tests are about the language, not about a site.
os.environ["CONDOR_CONFIG"] = os.devnull
import classad2  # type: ignore[import-untyped]
import htcondor2  # type: ignore[import-untyped]

USERS_COMMANDS = sorted(name for name in KNOWN if ALIASES.get(name, name) not in OWNED)


def expanded(command: str, text: str) -> str:
    """Return the value that HTCondor's own parser and macro expander make of one submit command."""
    submit = htcondor2.Submit({command: text, "after": "here"})
    assert submit["after"] == "here", "the value swallowed the next line"
    value: str = submit.expand(command)
    return value


def parsed_environment(quoted: str) -> dict[str, str]:
    """Read the new syntax of `environment`, following `split_args` in condor_arglist.cpp."""
    assert quoted[0] == quoted[-1] == '"'
    raw = quoted[1:-1].replace('""', '"')
    entries, entry, i = [], None, 0
    while i < len(raw):
        if raw[i] == "'":
            entry, i = entry or "", i + 1
            while raw[i] != "'" or raw[i + 1 : i + 2] == "'":
                entry, i = entry + raw[i], i + (2 if raw[i] == "'" else 1)
        elif raw[i] in " \t":
            if entry is not None:
                entries.append(entry)
            entry = None
        else:
            entry = (entry or "") + raw[i]
        i += 1
    if entry is not None:
        entries.append(entry)
    return dict(entry.split("=", 1) for entry in entries)


@pytest.fixture
def description(tmp_path: Path) -> dict[str, str]:
    """Return the description of a batch with no wishes of the user's."""
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
    """Every command of condor_submit is a keyword; a slip is not."""

    @pytest.mark.parametrize("name", USERS_COMMANDS)
    def test_every_known_command_is_accepted_in_any_case(self, name: str) -> None:
        """A name out of HTCondor's source, in any capitals, is taken under its first name."""
        assert canonical_name(name) == canonical_name(name.upper()) == ALIASES.get(name, name)

    @pytest.mark.parametrize("name", sorted(OWNED))
    def test_every_owned_command_is_refused_with_advice(self, name: str) -> None:
        """The refusal names the command, then says in one sentence why, and what to do."""
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
        """A job with a foreign session attribute would be taken for another session's."""
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
        """A misspelled command is an error that names the command that was meant."""
        expected = f"CondorExecutor() got an unexpected submit command {slip!r}; did you mean {meant!r}?"
        with pytest.raises(TypeError, match=f"^{re.escape(expected)}$"):
            check_submit_commands({slip: 1})

    @pytest.mark.parametrize("name", ["zzzzz", "", "my.", "MY.a b", "a = b", "request_", "request__x", "+1st"])
    def test_a_name_like_no_other_points_to_the_manual(self, name: str) -> None:
        """Without a near name, the error says where all names are, and how attributes are written."""
        with pytest.raises(TypeError, match=r"manual lists all commands, and 'MY\.<attribute>'"):
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
        """Which of `prio` and `priority` counts is not left to chance."""
        with pytest.raises(TypeError, match="twice, as 'prio' and as 'Priority'"):
            check_submit_commands({"prio": 1, "Priority": 2})

    def test_aliases_lead_to_first_names(self) -> None:
        """No alias is an alias's alias, and each leads to a command."""
        assert set(ALIASES.values()) <= COMMANDS
        assert not COMMANDS & ALIASES.keys()
        assert OWNED.keys() - {"request_gpu_memory", "request_gpus_memory"} <= COMMANDS


class TestValues:
    """Python values become what HTCondor reads."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (True, "true"),
            (False, "false"),
            (4, "4"),
            (0.5, "0.5"),
            ("4GB", "4GB"),
            ("$(Cluster)", "$(Cluster)"),
            (Path("/a/../b"), "/a/../b"),
            (Path("/$(a)/$b"), "/$(DOLLAR)(a)/$b"),
        ],
    )
    def test_scalars_are_written_in_submit_language(self, value: object, text: str) -> None:
        """Strings are submit language as they are; paths are data."""
        assert check_submit_commands({"container_target_dir": value}) == {"container_target_dir": text}

    def test_a_relative_path_starts_at_the_current_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The jobs' initialdir is the batch directory, which no user has in mind."""
        monkeypatch.chdir(tmp_path)
        options = {"x509userproxy": Path("proxy"), "container_image": "images/root.sif"}
        assert check_submit_commands(options) == {
            "x509userproxy": f"{tmp_path}/proxy",
            "container_image": f"{tmp_path}/images/root.sif",
        }

    @pytest.mark.parametrize("image", ["docker://python:3.13", "docker:python:3.13", "/cvmfs/x/y", "$(image)"])
    def test_an_image_that_is_no_relative_file_stays(self, image: str) -> None:
        """Registries and absolute paths mean the same everywhere."""
        assert check_submit_commands({"container_image": image}) == {"container_image": image}

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
    def test_numbers_that_are_none_are_refused(self, number: float) -> None:
        """HTCondor has no nan and no infinity."""
        with pytest.raises(ValueError, match="finite"):
            check_submit_commands({"rank": number})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *itertools.product(("rank", "MY.Rank2"), (object(), b"x", {1}, 1j)),
            ("rank", {"a": 1}),
            ("rank", ["a"]),
            ("MY.Rank2", [b"x"]),
        ],
    )
    def test_values_of_other_types_are_refused(self, name: str, value: object) -> None:
        """The error names the command, the types that it takes, and the type that came."""
        with pytest.raises(TypeError, match=rf"{name}.* takes a value of type str.*, not \w+"):
            check_submit_commands({name: value})

    @pytest.mark.parametrize(
        ("value", "expression"),
        [
            (["a", 'say "b"', 3, True], '{"a", "say \\"b\\"", 3, true}'),
            ({"run": 7, "tags": ["x", "y"]}, '[run = 7; tags = {"x", "y"}]'),
            ([], "{}"),
        ],
    )
    def test_lists_and_mappings_become_classad_values(self, value: object, expression: str) -> None:
        """In a custom attribute; HTCondor reads back what was meant."""
        assert check_submit_commands({"MY.Value": value}) == {"MY.Value": expression}
        read = classad2.ExprTree(expression).eval()
        assert (dict(read) if isinstance(value, dict) else read) == value

    @pytest.mark.parametrize("value", [["a\nb"], {"a b": 1}, {1: 2}])
    def test_what_a_classad_cannot_hold_is_refused(self, value: object) -> None:
        with pytest.raises(ValueError, match=r"MY\.Value"):
            check_submit_commands({"MY.Value": value})

    def test_lists_become_what_the_command_takes(self) -> None:
        """Commas between items, blanks between arguments."""
        commands = {"concurrency_limits": ["db:2", "net"], "java_vm_args": ["-Dx=a b", "-v"], "getenv": ("A", "B*")}
        assert check_submit_commands(commands) == {
            "concurrency_limits": "db:2, net",
            "java_vm_args": "\"'-Dx=a b' -v\"",
            "getenv": "A, B*",
        }
        with pytest.raises(ValueError, match="commas separate"):
            check_submit_commands({"getenv": ["A,B"]})

    def test_a_job_flavour_is_cerns(self) -> None:
        """It becomes the attribute that CERN's schedds look at; a slip is told."""
        assert check_submit_commands({"job_flavour": "tomorrow"}) == {"MY.JobFlavour": '"tomorrow"'}
        assert merge({"MY.JobFlavour": '"tomorrow"'}, {"job_flavour": None}) == {}
        with pytest.raises(ValueError, match="did you mean 'tomorrow'"):
            check_submit_commands({"job_flavour": "tommorow"})
        with pytest.raises(ValueError, match="espresso, microcentury"):
            check_submit_commands({"job_flavour": 3})

    def test_a_path_is_no_classad_expression(self) -> None:
        """A custom attribute's value is an expression; a bare path is none."""
        with pytest.raises(TypeError, match=r"(Posix|Windows)Path"):
            check_submit_commands({"MY.Where": Path("/a")})

    @pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\0"])
    @pytest.mark.parametrize(
        "options",
        [
            {"batch_name": "a{}log = /etc/passwd"},
            {"MY.Note": '"a{}b"'},
            {"transfer_input_files": "a{}b"},
            {"transfer_output_files": ["a{}b"]},
            {"container_image": "a{}b"},
            {"environment": "A=1{}B=2"},
            {"environment": {"A": "1{}B=2"}},
            {"environment": {"A{}B": "1"}},
        ],
    )
    def test_no_value_can_add_a_line(self, options: dict[str, object], break_: str) -> None:
        """A second line would be a submit command of its own."""

        def broken(value: object) -> object:
            if isinstance(value, dict):
                return {broken(key): broken(inner) for key, inner in value.items()}
            if isinstance(value, list):
                return [broken(inner) for inner in value]
            return str(value).replace("{}", break_)

        with pytest.raises(ValueError, match=r"must be one line without NUL characters$"):
            check_submit_commands({name: broken(value) for name, value in options.items()})

    @pytest.mark.parametrize("ending", ["\\", "\\ ", "\\\t"])
    def test_no_value_can_swallow_the_next_line(self, ending: str) -> None:
        """A backslash at the end joins the next command to this value."""
        with pytest.raises(ValueError, match="backslash"):
            check_submit_commands({"batch_name": f"a{ending}"})

    @given(st.text(st.characters(codec="utf-8")))
    @example("a\x0bb\x0c\x85\u2028c")
    def test_an_accepted_string_is_one_line_for_htcondor(self, text: str) -> None:
        """Whatever gets through the checks leaves the commands after it alone."""
        try:
            commands = check_submit_commands({"batch_name": text})
        except ValueError:
            assume(False)
        assert htcondor2.Submit({**commands, "after": "here"})["after"] == "here"

    @given(st.lists(st.sampled_from([*"$().a_\\ /,[", "$(", "$F(", "DOLLAR"])).map("".join))
    def test_a_path_arrives_as_it_is(self, name: str) -> None:
        """No part of a file's name is taken for a macro."""
        path = Path("/") / name.strip() / "end"
        try:
            commands = check_submit_commands({"container_target_dir": path})
        except ValueError as refusal:
            assert "cannot take as text" in str(refusal)  # noqa: PT017  # both outcomes are right
        else:
            assert expanded("container_target_dir", commands["container_target_dir"]) == str(path)


class TestFileLists:
    """Lists of files may be lists; input files are found from the user's current directory."""

    @pytest.fixture(autouse=True)
    def _in_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_input_files_are_made_absolute_and_urls_are_not(self, tmp_path: Path) -> None:
        """A trailing slash, HTCondor's "contents of", survives."""
        files = ["a.txt", Path("b") / "c", "data/", "/d", "osdf:///x", "https://h/y", "$(Cluster).cfg"]
        assert check_submit_commands({"transfer_input_files": files})["transfer_input_files"] == (
            f"{tmp_path}/a.txt, {tmp_path}/b/c, {tmp_path}/data/, /d, osdf:///x, https://h/y, $(Cluster).cfg"
        )

    @pytest.mark.parametrize("text", ["a,b", " a , b ", '"a, b"', "a,,b,"])
    def test_a_string_is_read_as_condor_submit_reads_it(self, text: str, tmp_path: Path) -> None:
        """Blanks, quotation marks around the list and empty names mean nothing."""
        assert check_submit_commands({"TransferInputFiles": text}) == {
            "transfer_input_files": f"{tmp_path}/a, {tmp_path}/b"
        }

    def test_the_commas_of_a_macro_separate_nothing(self) -> None:
        """HTCondor expands macros before it splits the list."""
        text = "$CHOICE(0,a,b).txt, https://h/y"
        assert check_submit_commands({"transfer_input_files": text})["transfer_input_files"] == text

    def test_output_files_are_names_in_the_sandbox(self) -> None:
        """A relative output file lies in the job sandbox, not here."""
        files = ("hist.root", Path("logs") / "x")
        assert check_submit_commands({"transfer_output_files": files}) == {"transfer_output_files": "hist.root, logs/x"}

    @pytest.mark.parametrize("file", ["a,b", Path("a,b"), Path("a(1,2)"), "", " "])
    def test_a_file_that_a_list_cannot_hold_is_refused(self, file: object) -> None:
        """HTCondor has no way to quote a comma."""
        with pytest.raises(ValueError, match="commas separate"):
            check_submit_commands({"transfer_output_files": [file]})

    @pytest.mark.parametrize("files", [1, [1], {"a": "b"}, [["a"]]])
    def test_what_is_no_file_is_refused(self, files: object) -> None:
        """Only strings and paths name files."""
        with pytest.raises(TypeError, match="takes files as str or"):
            check_submit_commands({"transfer_input_files": files})


class TestEnvironment:
    """A mapping reaches the job as it is."""

    def test_the_manuals_example_is_written_as_the_manual_does(self) -> None:
        """One quoting style serves all of the manual's cases."""
        variables = {"one": 1, "two": '"2"', "three": "spacey 'quoted' value"}
        assert quote_environment(variables) == '''"one=1 two=""2"" 'three=spacey ''quoted'' value'"'''

    @given(
        st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="=\n\r\0"), min_size=1),
            st.text(st.characters(codec="utf-8", exclude_characters="\n\r\0"))
            | st.lists(st.sampled_from([*"'\" \t\\=$().;a", "$(", "$F(", "DOLLAR", "$(a:b)", "$$"])).map("".join),
        )
    )
    @example({"A": "", "B": "'", "C": "''", "D": '"', "E": " ", "F": "\\", "G": "$(Cluster) $ENV(HOME) $$"})
    def test_any_variables_survive_htcondors_macros_and_quotes(self, variables: dict[str, str]) -> None:
        """What HTCondor's macro expander and its quoting rules leave is what was given."""
        try:
            quoted = quote_environment(variables)
        except ValueError as refusal:
            assert "cannot take as text" in str(refusal)  # noqa: PT017  # both outcomes are right
        else:
            assert parsed_environment(expanded("environment", quoted)) == variables

    def test_a_string_is_left_in_the_submit_language(self) -> None:
        """Who writes the quotes may use macros, too."""
        assert check_submit_commands({"env": '"A=$(Cluster)"'}) == {"environment": '"A=$(Cluster)"'}

    @pytest.mark.parametrize("name", ["", "A=B"])
    def test_a_name_that_no_variable_can_have_is_refused(self, name: str) -> None:
        """It would become another variable."""
        with pytest.raises(ValueError, match="cannot name an environment variable"):
            quote_environment({name: "x"})

    def test_a_value_that_is_no_text_is_refused(self) -> None:
        """`None` in particular does not become the text "None"."""
        with pytest.raises(TypeError, match=r"environment.*NoneType"):
            quote_environment({"A": None})


class TestMerge:
    """A derived executor changes what it names and inherits the rest."""

    def test_a_change_replaces_and_none_removes(self) -> None:
        """The inherited value goes, under whichever name it came."""
        base = check_submit_commands({"priority": 1, "request_cpus": 2, "MY.Flavour": '"long"', "rank": "x"})
        changes = {"PRIO": 5, "RequestCpus": None, "+flavour": '"short"', "request_disk": None}
        assert merge(base, changes) == {"priority": "5", "rank": "x", "MY.flavour": '"short"'}

    def test_the_base_is_left_as_it_was(self) -> None:
        """Two executors derived from one do not meet."""
        base = {"rank": "x"}
        merge(base, {"rank": None})
        assert base == {"rank": "x"}

    def test_no_changes_change_nothing(self) -> None:
        """Values are not converted a second time."""
        base = check_submit_commands({"environment": {"A": "$(B)"}, "keep_claim_idle": None})
        assert merge(base, {}) == base


class TestDescribe:
    """The description carries the executor's protocol and the user's wishes."""

    def test_htcondor_reads_the_whole_description(self, tmp_path: Path) -> None:
        """HTCondor's own parser finds each command with its value."""
        environment = {"A": "it's", "B": "$(C)"}
        description = describe_in(tmp_path, {"environment": environment, "+Flavour": '"long"', "max_retries": 2})
        assert dict(htcondor2.Submit(description)) == description

    def test_each_job_has_its_bundles_files(self, description: dict[str, str]) -> None:
        """All names follow from the item's one variable."""
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
        """A job's own log would move into the spool directory; the dagman_log does not."""
        assert description["dagman_log"] == f"{tmp_path}/event.log"
        assert "log" not in description

    def test_the_site_chooses_resources_that_the_user_did_not(self, description: dict[str, str]) -> None:
        """JOB_DEFAULT_REQUEST... are the site's to set."""
        assert not [name for name in description if name.startswith("request_")]

    def test_the_users_files_travel_after_ours(self, tmp_path: Path) -> None:
        """Both lists are merged; neither is lost."""
        options: dict[str, object] = {"transfer_input_files": "/data/a", "transfer_output_files": ["b", "c"]}
        description = describe_in(tmp_path, options)
        assert description["transfer_input_files"] == "$(bundle).calls, /data/a"
        assert description["transfer_output_files"] == "$(bundle).outcomes, b, c"

    def test_the_user_overrides_or_removes_each_default(self, tmp_path: Path) -> None:
        """A default is a default; `None` takes it away, also on a derived executor."""
        defaults = {"keep_claim_idle": "20", "notification": "never", "batch_name": "condor_futures s1"}
        assert defaults.items() <= describe_in(tmp_path, {}).items()
        assert describe_in(tmp_path, {"keep_claim_idle": 300})["keep_claim_idle"] == "300"
        assert not defaults.keys() & describe_in(tmp_path, dict.fromkeys(defaults)).keys()

    def test_what_the_executor_owns_wins_over_unchecked_commands(
        self, description: dict[str, str], tmp_path: Path
    ) -> None:
        """Even commands that went around the check cannot take the runner's place."""
        described = describe(
            {"executable": "/bin/false", "universe": "local"},
            session_id="s1",
            runner=tmp_path / "runner.py",
            directory=tmp_path / "batch",
            event_log=tmp_path / "event.log",
        )
        assert described == description

    def test_odd_directories_are_written_as_they_are(self) -> None:
        """Blanks, quotes and dollar signs in a path are no part of the language."""
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
        """A relative path would be looked for in the batch directory."""
        with pytest.raises(ValueError, match="must be"):
            describe_in(Path(path), {})

    @pytest.mark.parametrize("session_id", ["", 'a"b', "a b", "a\n", "é"])
    def test_a_session_id_that_needs_quoting_is_refused(self, session_id: str, tmp_path: Path) -> None:
        """It stands inside of a ClassAd string."""
        with pytest.raises(ValueError, match="session id"):
            describe({}, session_id=session_id, runner=tmp_path, directory=tmp_path, event_log=tmp_path)


def test_equal_commands_in_any_order_have_one_key() -> None:
    """Calls with equal wishes share a cluster, in whichever order the wishes were written."""
    options = {"request_cpus": 2, "rank": "x", "prio": 1}
    keys = {description_key(check_submit_commands(dict(items))) for items in itertools.permutations(options.items())}
    assert len(keys) == 1
    assert description_key(check_submit_commands({"rank": "y"})) not in keys


def test_the_executors_own_keywords_are_known_as_such():
    """Else the advice about a misspelt one would not name them."""
    constructor = set(inspect.signature(CondorExecutor).parameters) - {"submit_commands"}
    derived = set(inspect.signature(CondorExecutor.with_options).parameters) - {"self", "submit_commands"}
    assert {
        **dict.fromkeys(constructor - derived, "CondorExecutor"),
        **dict.fromkeys(derived - constructor, "with_options"),
        **dict.fromkeys(constructor & derived, ""),
    } == OPTIONS


@pytest.mark.parametrize("name", ["a$$(b)", "$$([1+1])", "a$(DOLLAR)", "$(a$(b))", "a\nb", "a\\", "\udcff"])
@pytest.mark.parametrize("within", [".", "deeper"])
def test_session_directory_that_htcondor_cannot_take_is_refused(tmp_path, name, within):
    """In one sentence, which names it."""
    directory = tmp_path / name / within
    with pytest.raises(ValueError, match=re.escape(f"a session cannot be in {str(directory)!r}: HTCondor")):
        check_session_directory(directory)


@pytest.mark.parametrize(
    "name", ["a b", "a$(b)", "a$$b", "a,b", "a'b", 'a"b', "ä", "a#b", "a\\b", "a;b", "*", "-a", "a "]
)
def test_session_directory_that_htcondor_can_take_is_not_refused(tmp_path, name):
    """Jobs ran in each of these (25.14)."""
    check_session_directory(tmp_path / name)
    description = describe(
        {}, session_id="1", runner=tmp_path / name / "runner", directory=tmp_path / name, event_log=tmp_path
    )
    assert expanded("executable", description["executable"]) == str(tmp_path / name / "runner")


@pytest.mark.parametrize("name", ["a,b.py", "a$$(b).py", "a\nb.py"])
def test_shipped_file_that_no_list_of_files_can_name_is_refused(tmp_path, name):
    """When it is said, not when the jobs are submitted."""
    with pytest.raises(ValueError, match="transfer_input_files"):
        check_shipped([tmp_path / "fine.py", tmp_path / name])
