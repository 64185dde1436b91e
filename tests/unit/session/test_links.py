"""Links for files whose names HTCondor would misread in a spooled job."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.execution_point.bundle import NAMED
from condor_futures.session.links import Links, needs_links


@pytest.fixture
def links(tmp_path):
    return Links(tmp_path / "links", tmp_path / "bundles/000")


def names(text: str) -> list[str]:
    return text.split(", ")


def test_names_that_htcondor_reads_need_no_links(links, tmp_path):
    """Nothing is made then."""
    description = {
        "transfer_input_files": "$(bundle).calls, /a/b, https://h/x y, $ENV(HOME)/a b, /c=d/e;f",
        "transfer_output_remaps": '"a = /b/c; d = https://h/x=y"',
        "container_image": "docker://a",
    }
    assert links.linked(description) == description
    assert not (tmp_path / "links").exists()
    assert not needs_links({"transfer_input_files": "$(bundle).calls, /a/b"})


def test_a_directory_with_blanks_gets_a_link(links, tmp_path):
    """The link is the same each time."""
    (tmp_path / "my data").mkdir()
    description = {
        "transfer_input_files": f"$(bundle).calls, {tmp_path}/my data/a, {tmp_path}/my data/, {tmp_path}/my data/$(x)",
        "transfer_output_remaps": f'"a = {tmp_path}/my data/$(Cluster); b = {tmp_path}/c=d/e"',
        "container_image": f"{tmp_path}/my data/x.sif",
    }
    assert needs_links(description)
    linked = links.linked(description)
    assert links.linked(description) == linked
    own, file, contents, macro = names(linked["transfer_input_files"])
    directory = Path(file).parent
    assert (own, Path(file).name, contents, macro) == ("$(bundle).calls", "a", f"{directory}/", f"{directory}/$(x)")
    assert directory.readlink() == tmp_path / "my data"
    first, second = linked["transfer_output_remaps"].strip('"').split("; ")
    assert first == f"a = {directory}/$(Cluster)"
    assert Path(second.removeprefix("b = ")).parent.readlink() == tmp_path / "c=d"
    assert linked["container_image"] == f"{directory}/x.sif"


def test_a_name_with_blanks_is_kept(links, tmp_path):
    """HTCondor transfers a directory that has only this file, or only this directory."""
    (tmp_path / "a b").write_text("x")
    (tmp_path / "c d/e f").mkdir(parents=True)
    (tmp_path / "c d/e f/g,h").write_text("y")
    (tmp_path / "c d/to").symlink_to("e f")
    linked = links.linked({"transfer_input_files": f"{tmp_path}/a b, {tmp_path}/c d"})
    file, directory = (Path(name) for name in names(linked["transfer_input_files"]))
    assert [path.name for path in file.iterdir()] == ["a b"]
    assert (file / "a b").read_text() == "x"
    assert [path.name for path in directory.iterdir()] == ["c d"]
    assert not (directory / "c d").is_symlink()
    assert not (directory / "c d/e f").is_symlink()
    assert (directory / "c d/e f/g,h").read_text() == "y"
    assert (directory / "c d/to").is_symlink()
    # The next submission sees what is there by then.
    (tmp_path / "c d/new").write_text("z")
    (again,) = names(links.linked({"transfer_input_files": f"{tmp_path}/c d"})["transfer_input_files"])
    assert sorted(path.name for path in Path(again, "c d").iterdir()) == ["e f", "new", "to"]


def test_contents_with_blanks_or_commas_are_kept(links, tmp_path):
    """The runner knows the directory by its name, and takes them out. Other contents are transferred as they are."""
    for name in ("plain/a", "odd/b c", "odd/d/e f", "odd/,"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    listed = f"{tmp_path}/plain/, {tmp_path}/odd/, {tmp_path}/not there/"
    plain, odd, missing = names(links.linked({"transfer_input_files": listed})["transfer_input_files"])
    assert plain == f"{tmp_path}/plain/"
    assert Path(odd).name.startswith(NAMED)
    assert not odd.endswith("/")
    assert {str(path.relative_to(odd)) for path in Path(odd).rglob("*")} == {"b c", "d", "d/e f", ","}
    assert (Path(odd) / "d/e f").read_text() == "odd/d/e f"
    assert missing.endswith("/")


def test_a_session_with_blanks_is_named_relative_to_its_jobs(tmp_path):
    """HTCondor does not split the name of the initial directory."""
    session = tmp_path / "my session"
    (session / "bundles/000").mkdir(parents=True)
    (tmp_path / "a b").touch()
    links = Links(session / "links", session / "bundles/000")
    description = {"transfer_input_files": f"{tmp_path}/a b"}
    text = links.linked(description)["transfer_input_files"]
    assert text.startswith("../../links/")
    assert (session / "bundles/000" / text / "a b").exists()
    with pytest.raises(ValueError, match="preserve_relative_paths"):
        links.linked({**description, "preserve_relative_paths": "True"})
