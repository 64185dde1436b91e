"""Names of files in submit language: what HTCondor reads is what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from submit_language import expanded

from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.file_names import (
    absolute,
    plain_name,
    quote_pairs,
    remap_pairs,
    split_directory,
)


@pytest.mark.parametrize("directory", ["$(HOME)x", "$F(x) y", "a;b=c", "$ENV(HOME)"])
@pytest.mark.parametrize("name", ["a.txt", "b/", "./c", "."])
def test_nothing_in_the_name_of_the_current_directory_is_expanded(tmp_path, monkeypatch, directory, name):
    """HTCondor reads the path that the name has here."""
    (tmp_path / directory).mkdir()
    monkeypatch.chdir(tmp_path / directory)
    text = absolute(name)
    assert expanded("transfer_input_files", text) == str(Path(name).absolute()) + "/" * name.endswith("/")
    assert plain_name(text) == str(Path(name).absolute()) + "/" * name.endswith("/")


@pytest.mark.parametrize(
    "options",
    [
        {"transfer_input_files": "a"},
        {"transfer_input_files": ["a"]},
        {"container_image": "a"},
        {"transfer_output_remaps": {"a": "b"}},
        {"transfer_output_remaps": '"a = b"'},
    ],
)
def test_a_current_directory_that_cannot_be_escaped_is_refused(tmp_path, monkeypatch, options):
    """HTCondor would expand the macro on the execution point."""
    (tmp_path / "$$(HOME)x").mkdir()
    monkeypatch.chdir(tmp_path / "$$(HOME)x")
    with pytest.raises(ValueError, match=r"the name of the current directory contains '\$\$\('"):
        check_submit_commands(options)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("/a/b c", ("/a/", "b c")),
        ("/a/", ("/a/", "")),
        ("a", ("", "a")),
        ("/a/$(b:/c/d).root", ("/a/", "$(b:/c/d).root")),
        ("/$ENV(X)/b", ("/$ENV(X)/", "b")),
    ],
)
def test_a_slash_in_a_macro_separates_nothing(text, parts):
    assert split_directory(text) == parts


@pytest.mark.parametrize("text", ["$(Cluster)", "/a/$$(b)", "$ENV(HOME)/c", "/$(DOLLAR)(x)/$(y)"])
def test_names_that_only_htcondor_knows_are_not_plain(text):
    assert plain_name(text) is None


_NAMES = st.text(st.sampled_from("ab/ .;=\\,'"), min_size=1).map(str.strip).filter(bool)


@given(st.dictionaries(st.text("ab.", min_size=1), _NAMES))
def test_remaps_are_read_as_they_are_written(remaps):
    """A backslash escapes only the separator after it."""
    pairs = list(remaps.items())
    if not any(target.endswith("\\") for target in remaps.values()):
        assert remap_pairs(quote_pairs(pairs)) == pairs


def test_relative_new_names_are_in_the_current_directory(tmp_path, monkeypatch):
    """In whatever form they are given. HTCondor would take them relative to a directory of the session."""
    monkeypatch.chdir(tmp_path)
    texts = [
        check_submit_commands({"transfer_output_remaps": remaps})["transfer_output_remaps"]
        for remaps in ({"a": "b c"}, {"a": Path("b c")}, '"a = b c"', "a=b c;")
    ]
    assert texts == [f'"a = {tmp_path}/b c"'] * 4
    assert check_submit_commands({"transfer_output_remaps": '"a = https://h/b?c=d"'}) == {
        "transfer_output_remaps": '"a = https://h/b?c=d"'
    }


@pytest.mark.parametrize("remaps", [{"a b": "c"}, {"": "c"}, {"a": 'b"c'}, '"a b = c"', {"a=b": "c"}, {"a": ""}])
def test_names_that_htcondor_would_lose_are_refused(remaps):
    with pytest.raises(ValueError, match="transfer_output_remaps cannot contain the name"):
        check_submit_commands({"transfer_output_remaps": remaps})
