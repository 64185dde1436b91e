"""The files of this machine that submit commands name, and which of them are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from submit_language import expanded

from condor_futures.submit.commands import COMMANDS
from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.files_here import (
    CLIENT_FILES,
    FILE_LISTS,
    absolute,
    file_names,
    is_one_name,
    missing_file,
)


def test_every_command_that_names_files_is_a_submit_command():
    """The name is in small letters and is the first name, as merge() has it."""
    assert FILE_LISTS | CLIENT_FILES <= COMMANDS
    assert not FILE_LISTS & CLIENT_FILES


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ("", []),
        (" , ", []),
        ("a b, c", ["a b", "c"]),
        ('"a, b"', ["a", "b"]),
        ("$CHOICE(1,a,b), c", ["$CHOICE(1,a,b)", "c"]),
        ("$(a),$ENV(B,c)/d", ["$(a)", "$ENV(B,c)/d"]),
    ],
)
def test_a_list_is_split_where_htcondor_splits_it(listed, names):
    """is_one_name() also accepts each of the names."""
    assert file_names(listed) == names
    assert all(map(is_one_name, names))


def test_the_comma_of_a_macro_is_gone_once_htcondor_has_expanded_it():
    """Therefore, it separates no names."""
    assert expanded("transfer_input_files", "$CHOICE(1,a,b), c") == "b, c"


@pytest.mark.parametrize("file", ["", "https://h/a", "docker:image", "docker://image", "$(here)/a", "$ENV(HOME)/"])
def test_what_is_no_relative_name_stays(file):
    """The client cannot know what it will be."""
    assert absolute(file) == file


def test_a_relative_name_is_from_the_current_directory(tmp_path, monkeypatch):
    """A trailing slash, which means the content of the directory, stays."""
    monkeypatch.chdir(tmp_path)
    assert [absolute(file) for file in (" a ", "b/", "/c/")] == [f"{tmp_path}/a", f"{tmp_path}/b/", "/c/"]


class TestMissingFiles:
    """The files that are read on this machine."""

    @pytest.mark.parametrize(
        "options",
        [
            {"transfer_input_files": ["there", "missing"]},
            {"transfer_input_files": "there, missing"},
            {"transfer_input_files": "there/missing"},
            {"container_image": "missing"},
            {"transfer_common_input": "missing/"},
            {"x509userproxy": "missing"},
        ],
    )
    def test_a_missing_file_is_found(self, options: dict[str, object], tmp_path: Path, monkeypatch) -> None:
        """The error names the file as HTCondor would."""
        monkeypatch.chdir(tmp_path)
        Path("there").touch()
        missing = missing_file(check_submit_commands(options))
        assert missing is not None
        assert missing[0] in options
        assert missing[1].startswith(str(tmp_path))
        assert missing[1].rstrip("/").endswith("missing")

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"transfer_input_files": ["there", Path("directory"), "directory/", "https://example.org/a"]},
            {"transfer_input_files": "$(name).txt, $ENV(HOME)/a"},
            {"transfer_output_files": "missing"},
            {"container_image": "docker://missing"},
            {"container_image": "docker:missing"},
            {"container_image": "/cvmfs/example.org/image"},
            {"container_image": "/missing", "transfer_container": False},
        ],
    )
    def test_what_is_there_or_elsewhere_is_not_missing(self, options: dict[str, object], tmp_path, monkeypatch) -> None:
        """Nobody can check those elsewhere."""
        monkeypatch.chdir(tmp_path)
        Path("there").touch()
        Path("directory").mkdir()
        assert missing_file(check_submit_commands(options)) is None
