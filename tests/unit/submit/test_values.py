"""Python values become submit language with the intended meaning, or are refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from submit_language import classad2, expanded, htcondor2

from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.values import quote_environment


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


class TestValues:
    """Python values become text that HTCondor reads."""

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
        """Strings are submit language, and stay unchanged. Paths are data."""
        assert check_submit_commands({"container_target_dir": value}) == {"container_target_dir": text}

    def test_a_relative_path_starts_at_the_current_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The jobs' initialdir is the batch directory, which no user means."""
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
        """The error names the command, its types, and the type of the value."""
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
        """In a custom attribute, HTCondor reads back the original value."""
        assert check_submit_commands({"MY.Value": value}) == {"MY.Value": expression}
        read = classad2.ExprTree(expression).eval()
        assert (dict(read) if isinstance(value, dict) else read) == value

    @pytest.mark.parametrize("value", [["a\nb"], {"a b": 1}, {1: 2}])
    def test_what_a_classad_cannot_hold_is_refused(self, value: object) -> None:
        with pytest.raises(ValueError, match=r"MY\.Value"):
            check_submit_commands({"MY.Value": value})

    def test_lists_become_what_the_command_takes(self) -> None:
        """Items are separated by commas, arguments by blanks."""
        commands = {"concurrency_limits": ["db:2", "net"], "java_vm_args": ["-Dx=a b", "-v"], "getenv": ("A", "B*")}
        assert check_submit_commands(commands) == {
            "concurrency_limits": "db:2, net",
            "java_vm_args": "\"'-Dx=a b' -v\"",
            "getenv": "A, B*",
        }
        with pytest.raises(ValueError, match="commas separate"):
            check_submit_commands({"getenv": ["A,B"]})

    def test_a_path_is_no_classad_expression(self) -> None:
        """The value of a custom attribute is an expression, and a bare path is not one."""
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
        """A backslash at the end would join the next command to this value."""
        with pytest.raises(ValueError, match="backslash"):
            check_submit_commands({"batch_name": f"a{ending}"})

    @given(st.text(st.characters(codec="utf-8")))
    @example("a\x0bb\x0c\x85\u2028c")
    def test_an_accepted_string_is_one_line_for_htcondor(self, text: str) -> None:
        """A value that passes the checks does not affect later commands."""
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
            assert "cannot be escaped" in str(refusal)  # noqa: PT017  # both outcomes are right
        else:
            assert expanded("container_target_dir", commands["container_target_dir"]) == str(path)


class TestFileLists:
    """Lists of files may be Python lists. Input files are relative to the user's current directory."""

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
        """A relative output file is in the job sandbox, not here."""
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
    """A mapping reaches the job unchanged."""

    def test_the_manuals_example_is_written_as_the_manual_does(self) -> None:
        """One style of quotation marks covers all of the manual's cases."""
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
        """After HTCondor's macro expansion and quoting rules, the value is the original."""
        try:
            quoted = quote_environment(variables)
        except ValueError as refusal:
            assert "cannot be escaped" in str(refusal)  # noqa: PT017  # both outcomes are right
        else:
            assert parsed_environment(expanded("environment", quoted)) == variables

    def test_a_string_is_left_in_the_submit_language(self) -> None:
        """A user who writes the quotation marks may also use macros."""
        assert check_submit_commands({"env": '"A=$(Cluster)"'}) == {"environment": '"A=$(Cluster)"'}

    @pytest.mark.parametrize("text", ["A=1 B=2", "A=1;B=2\tC=3", "A=-x B=2"])
    def test_a_variable_that_would_be_swallowed_is_refused(self, text: str) -> None:
        """Blanks separate nothing where there are no quotation marks (`environment` in condor_submit's manual)."""
        with pytest.raises(ValueError, match=r"[BC] is part of the value before it; use a mapping such as \{"):
            check_submit_commands({"environment": text})

    @pytest.mark.parametrize("text", ["A=1;B=2", "A=1; B=2", "A=a b", ' "A=1 B=2"', "A==B"])
    def test_the_old_syntax_is_taken(self, text: str) -> None:
        """HTCondor accepts it too."""
        assert check_submit_commands({"environment": text}) == {"environment": text}

    @pytest.mark.parametrize("name", ["", "A=B"])
    def test_a_name_that_no_variable_can_have_is_refused(self, name: str) -> None:
        """It would become another variable."""
        with pytest.raises(ValueError, match="cannot name an environment variable"):
            quote_environment({name: "x"})

    def test_a_value_that_is_no_text_is_refused(self) -> None:
        """`None` in particular does not become the text "None"."""
        with pytest.raises(TypeError, match=r"environment.*NoneType"):
            quote_environment({"A": None})


@pytest.mark.parametrize(
    "options",
    [
        {"environment": {"A": "caf\udce9"}},
        {"environment": {"caf\udce9": "A"}},
        {"transfer_input_files": ["caf\udce9"]},
        {"transfer_input_files": Path("caf\udce9")},
        {"transfer_output_remaps": {"a": "caf\udce9"}},
        {"batch_name": "caf\udce9"},
        {"MY.A": ["caf\udce9"]},
    ],
)
def test_what_is_no_text_is_refused(options: dict[str, object]) -> None:
    """File names and variables that are not UTF-8 contain surrogates."""
    with pytest.raises(ValueError, match=r"'\\udce9', which stands for a byte that is not UTF-8"):
        check_submit_commands(options)
