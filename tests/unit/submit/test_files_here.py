"""The files of this machine that submit commands name, and which of them are missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from submit_language import expanded

from condor_futures.submit.commands import COMMANDS
from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.file_names import absolute, file_names, is_one_name
from condor_futures.submit.files_here import (
    CLIENT_FILES,
    FILE_LISTS,
    check_spoolable,
    lost_output,
    missing_file,
    unlistable,
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

    def test_a_name_with_a_macro_of_its_own_is_checked_under_its_real_name(self, tmp_path, monkeypatch) -> None:
        """A path is data: HTCondor expands nothing in it."""
        monkeypatch.chdir(tmp_path)
        Path("$(x)").touch()
        assert missing_file(check_submit_commands({"transfer_input_files": Path("$(x)")})) is None
        missing = missing_file(check_submit_commands({"transfer_input_files": Path("$(y)")}))
        assert missing == ("transfer_input_files", f"{tmp_path}/$(y)")


@pytest.mark.parametrize(
    "options",
    [
        {"transfer_input_files": "$(Cluster) x"},
        {"transfer_input_files": "/my $(Cluster)/x y"},
        {"transfer_input_files": "https://h/a b"},
        {"container_image": "/images/my image.sif"},
        {"transfer_output_remaps": {"a": "/b c"}},
        {"transfer_output_remaps": {"a": Path("/b=c")}},
        {"transfer_output_remaps": {"a": "https://h/b?c=d"}},
        {"transfer_output_remaps": {"a": "$ENV(HOME)/b c"}},
    ],
)
def test_names_for_which_no_link_helps_are_refused_for_spooled_jobs(options):
    """HTCondor would take them for several names, or lose the file."""
    with pytest.raises(ValueError, match="spooled job"):
        check_spoolable(check_submit_commands(options))


@pytest.mark.parametrize(
    "options",
    [
        {"transfer_input_files": ["/my data/a b", "/my data/", "/my data/$(Cluster)", "$CHOICE(0, a, b)"]},
        {"container_image": "/my images/a.sif"},
        {"container_image": "docker://a"},
        {"transfer_output_remaps": {"a": "/my data;x=1/b", "c": "https://h/d", "e": "/$INT(x, %d)"}},
    ],
)
def test_other_names_are_accepted_for_spooled_jobs(options):
    check_spoolable(check_submit_commands(options))


@pytest.mark.parametrize("name", ["a\nb", "a\r"])
def test_contents_that_cannot_be_spooled_are_found(tmp_path, name):
    """Other names are in a directory of their own: see ``session/links.py``."""
    for possible in ("a b", "a,b", " a", "a "):
        (tmp_path / possible).touch()
    assert unlistable({"transfer_input_files": f"{tmp_path}/"}) is None
    (tmp_path / name).touch()
    assert unlistable({"transfer_input_files": f"{tmp_path}/"}) == f"{tmp_path}/{name}"
    assert unlistable({"transfer_input_files": str(tmp_path)}) is None


def test_a_link_to_nowhere_loses_output(tmp_path):
    """A link to a file does not: HTCondor writes to the file."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    remaps = check_submit_commands({"transfer_output_remaps": {"a": tmp_path / "link"}})
    assert lost_output(remaps) == str(tmp_path / "link")
    (tmp_path / "file").touch()
    assert lost_output(remaps) is None
