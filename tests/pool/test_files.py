"""Files with any name arrive in jobs, and their output arrives here; or the executor refuses the name."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from condor_futures import CondorExecutor, JobHeldError, JobLostError
from condor_futures.access_point.choosing import Place

ODD = [
    "a b.txt",
    " c.txt",
    "tab\t.txt",
    "é ü.txt",
    "-dash.txt",
    "it's.txt",
    'q"q.txt',
    "$(HOME).txt",
    "a;b=c.txt",
    "%20.txt",
]


@pytest.fixture
def odd_directory(tmp_path, monkeypatch):
    """The directory of the program: its name has a blank, a macro and characters that end names."""
    place = tmp_path / "my $(HOME)x;y=z"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


def make(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)


def found() -> list[str]:
    """The names of the files in the sandbox that HTCondor has transferred."""
    names = [str(Path(at) / name) for at, _, files in os.walk(".") for name in files]
    own = ("_condor", ".", "condor_exec", "runner", "b0", "tmp", "docker_std")
    return sorted(name for name in names if not name.startswith(own))


@pytest.mark.parametrize(("spool", "transfer"), [(True, "YES"), (True, "IF_NEEDED"), (False, "IF_NEEDED")], ids=str)
def test_files_of_every_name_arrive_in_the_job(new_executor, odd_directory, monkeypatch, spool, transfer):
    """A file, a directory, its contents and a package, from a session whose directory has a blank too.

    In other pools than a personal one, the access point transfers the spooled files to the execution point.
    """
    find = Place.find
    monkeypatch.setattr(Place, "find", lambda *names: dataclasses.replace(find(*names), transfer=transfer))
    make(
        *ODD,
        "my data/d e/f g.txt",
        "my data/link.txt",
        "contents of/h i.txt",
        "contents of/, z.txt",
        "contents of/j/k l.txt",
        "a package/__init__.py",
    )
    (odd_directory / "my data/link.txt").unlink()
    (odd_directory / "my data/link.txt").symlink_to(odd_directory / "a b.txt")
    executor = new_executor(
        spool=spool,
        session="a session",
        ship=["auto", Path("a package")],
        transfer_input_files=[*map(Path, ODD), Path("my data"), "contents of/"],
    )
    here = [", z.txt", "my data/d e/f g.txt", "my data/link.txt", "h i.txt", "j/k l.txt", "a package/__init__.py"]
    assert executor.submit(found).result() == sorted([*ODD, *here])
    # A string is submit language, but HTCondor expands no macro in the name of the current directory.
    named = executor.with_options(transfer_input_files="my data/$(DOLLAR)(x).txt, it's.txt", ship="auto")
    make("my data/$(x).txt")
    assert named.submit(found).result() == ["$(x).txt", "it's.txt"]


def test_macros_and_blanks_in_one_name_are_refused_for_spooled_jobs(executor):
    """The client cannot make a link to a file whose name only HTCondor knows."""
    with pytest.raises(ValueError, match="reads blanks as separators"):
        executor.with_options(transfer_input_files="$(Cluster) x.txt")


def write_output() -> None:
    Path("o.txt").write_text("out")
    Path("d").mkdir()
    Path("d/x y.txt").write_text("out")


@pytest.mark.parametrize("spool", [True, False])
def test_output_arrives_in_a_directory_of_any_name(new_executor, odd_directory, spool):
    executor = new_executor(spool=spool, session="a session", transfer_output_files=["o.txt", "d"])
    remaps: list[object] = [
        {"o.txt": Path("data 0/o.txt"), "d": Path("data 0/new")},
        {"o.txt": "data 1/o.txt", "d": "data 1/new"},
        '"o.txt = data 2/o.txt; d = data 2/new"',
    ]
    for place in range(3):
        Path(f"data {place}").mkdir()
    written = [executor.with_options(transfer_output_remaps=each).submit(write_output) for each in remaps]
    for place, future in enumerate(written):
        future.result()
        assert Path(f"data {place}/o.txt").read_text() == Path(f"data {place}/new/x y.txt").read_text() == "out"
    blank = {"o.txt": "data 0/o p.txt"}
    if spool:
        with pytest.raises(ValueError, match="for a spooled job"):
            executor.with_options(transfer_output_remaps=blank)
    else:
        executor.with_options(transfer_output_remaps=blank).submit(write_output).result()
        assert Path("data 0/o p.txt").read_text() == "out"


@pytest.mark.parametrize(("spool", "error"), [(True, JobLostError), (False, JobHeldError)])
def test_output_that_cannot_be_written_here_is_an_error(new_executor, tmp_path, spool, error):
    """The value arrives, but the user asked for the file, too."""
    executor = new_executor(spool=spool, transfer_output_files="o.txt")
    (tmp_path / "a file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing/x")
    below = executor.with_options(transfer_output_remaps={"o.txt": tmp_path / "a file/o.txt"}).submit(write_output)
    link = executor.with_options(transfer_output_remaps={"o.txt": tmp_path / "nowhere"}).submit(write_output)
    assert isinstance(link.exception(), FileNotFoundError)  # HTCondor would lose the file without an error
    assert isinstance(below.exception(), error)
    assert "Not a directory" in str(below.exception())


def test_a_file_that_only_the_submit_file_names_is_told_with_both_names(pool, tmp_path, monkeypatch):
    """The user may not know which file names it. Own keywords replace it, and an attribute that the file sets."""
    monkeypatch.chdir(tmp_path)
    Path("a.sub").write_text(
        '+RequestMemory = 3000000\n+TransferOutput = ""\nrequest_disk = 4GiB\ntransfer_input_files = no.txt\n'
        'MY.JobId = "$(ClusterId).$(ProcId)"\n+Name = "n-$F(MY.JobId)"\nbatch_name = $(x)\nqueue x in (1 2)\n'
    )
    own = {"request_disk": "10MB", "batch_name": "mine"}
    with CondorExecutor.from_submit_file("a.sub", access_point="personal", **own) as executor:
        error = executor.submit(found).exception()
        assert isinstance(error, FileNotFoundError)
        assert "a.sub, line 4" in str(error)
        assert f"{tmp_path}/no.txt" in str(error)
        smaller = executor.with_options(request_memory="200MB", transfer_input_files=None)
        assert smaller.submit(found).result() == []
        (ad,) = pool.history(executor, 1)
        name = f"n-{ad['ClusterId']}.{ad['ProcId']}"
        assert (ad["RequestMemory"], ad["RequestDisk"], ad["JobBatchName"], ad["Name"]) == (200, 10240, "mine", name)


def test_contents_that_cannot_be_spooled_are_refused(executor, tmp_path):
    """A name with a line break would be no line of HTCondor's protocol."""
    (tmp_path / "a\nb.txt").touch()
    future = executor.with_options(transfer_input_files=f"{tmp_path}/").submit(found)
    assert isinstance(future.exception(), ValueError)
    assert "a\\nb.txt" in str(future.exception())
    assert future.job_id is None
