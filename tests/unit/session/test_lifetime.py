"""The lifetime of a session's directory."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

import condor_futures
from condor_futures.session.session import Session


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Sessions without a directory of their own are below tmp_path."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def fill(session: Session) -> list[Path]:
    """Make every file that an executor makes, and return all paths."""
    session.write_runner()
    with session.create_file(session.bundle_directory(0) / "b000000.calls") as file:
        file.write(b"calls")
    return [session.directory, *session.directory.rglob("*")]


def test_ephemeral_session_goes_with_its_last_reference():
    session = Session.create()
    fill(session)
    directory, also = session.directory, session
    del session
    gc.collect()
    assert directory.is_dir()
    del also
    gc.collect()
    assert not directory.exists()


def test_kept_session_stays(tmp_path):
    session = Session.create(tmp_path / "session")
    assert session.kept
    directory = session.directory
    del session
    gc.collect()
    assert (directory / "session.json").is_file()


SCRIPT = """
import os, sys
from condor_futures.session.session import Session

session = Session.create()
print(session.directory, flush=True)
child = os.fork()
if child == 0:
    if sys.argv[1] == "collected":
        del session
    sys.exit()  # with all that Python does at its end
os.waitpid(child, 0)
print((session.directory / "session.json").exists())
"""


def python(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the code in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(condor_futures.__file__).parents[1])}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", ["collected", "exits"])
def test_forked_child_removes_nothing(how):
    """A copy of the session in a child does not own the directory. When the parent ends, the directory is removed."""
    done = python(SCRIPT, how)
    assert done.returncode == 0, done.stderr
    directory, there = done.stdout.split()
    assert there == "True"
    assert not Path(directory).exists()


def test_what_is_kept_for_later_does_not_keep_an_ephemeral_session():
    """The directory is removed with the last reference, or left."""
    first = Session.create(settings={"access_point": ("cm", "ap1")})
    first.keep(schedd=("cm", "ap1"))
    directory = first.directory
    first.leave()
    del first
    again = Session.open(directory)
    assert again.record.access_point == ("cm", "ap1")
    assert again.settings["schedd"] == ["cm", "ap1"]
    again.take_up(0.0)
    again.keep(max_workers=3)
    del again
    assert not directory.exists()


def test_sessions_that_are_gone_keep_no_file_open(state):
    """A program may make many executors."""
    session = Session.create()
    assert files_open_below(state) == [session.lock.path]
    session.finish()
    del session
    gc.collect()
    assert files_open_below(state) == []


def files_open_below(directory: Path) -> list[Path]:
    """Return the files that this process has open, including removed ones."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has been closed in the meantime
            found.append(descriptor.readlink())
    return [path for path in found if directory in path.parents]
