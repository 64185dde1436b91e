"""A session's files: their names, who may read them, and how long they stay."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import condor_futures
from condor_futures import purge
from condor_futures.errors import CondorFuturesError
from condor_futures.session.finding import sessions_directory
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


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777], ids=oct)
@pytest.mark.parametrize("own", [True, False], ids=["own directory", "ephemeral"])
def test_nobody_else_can_read_anything(tmp_path, umask, own):
    """The user's umask does not matter: directories are 0700, files 0600, and only the runner is executable."""
    before = os.umask(umask)
    try:
        session = Session.create(tmp_path / "session" if own else None)
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in fill(session)}
    finally:
        os.umask(before)
    assert modes[session.runner] == 0o700
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file() and path != session.runner} == {0o600}


def test_directory_that_was_there_becomes_private(tmp_path):
    """The user made it, possibly without considering the secret in it."""
    tmp_path.chmod(0o755)
    directory = tmp_path / "session"
    directory.mkdir(mode=0o755)
    Session.create(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_file_has_its_name_only_once_it_is_whole(tmp_path):
    session = Session.create(tmp_path / "session")
    path = session.directory / "file"
    with session.create_file(path) as file:
        file.write(b"half")
        assert not path.exists()
        [temporary] = session.directory.glob("file*")
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
    assert path.read_bytes() == b"half"
    assert list(session.directory.glob("file*")) == [path]


def test_runner_can_be_executed_as_soon_as_it_has_its_name(tmp_path, monkeypatch):
    """A session that is attached to gets a new runner while its jobs start."""
    session = Session.create(tmp_path / "session")
    modes = []
    rename = Path.rename

    def watched(path, target):
        modes.append((target.name, path.stat().st_mode & 0o777))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", watched)
    session.write_runner()
    assert modes == [("runner", 0o700)]


def test_file_that_is_not_finished_leaves_nothing(tmp_path):
    session = Session.create(tmp_path / "session")

    def write_half():
        with session.create_file(session.directory / "file") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert list(session.directory.glob("file*")) == []


def test_sessions_differ(tmp_path):
    """Even sessions of the same second differ, in their names and secrets."""
    sessions = [Session.create() for _ in range(5)]
    assert len({session.id for session in sessions}) == 5
    assert len({session.directory for session in sessions}) == 5
    assert len({session.secret for session in sessions}) == 5
    assert all(len(session.secret) >= 32 for session in sessions)


def test_session_without_a_directory_is_below_the_state_directory(state):
    session = Session.create()
    assert not session.kept
    assert session.directory.parent == sessions_directory()
    assert state in session.directory.parents


def test_directory_in_use_is_refused(tmp_path):
    """The error is one sentence, and no file in it changes."""
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.tex").write_text("do not lose this")
    with pytest.raises(CondorFuturesError) as caught:
        Session.create(tmp_path)
    assert str(caught.value) == f"{tmp_path} is not empty; a new session needs an empty directory"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_second_session_does_not_take_the_directory_of_the_first(tmp_path):
    """The error says what can be done with the first session."""
    Session.create(tmp_path / "session", settings={"access_point": None})
    with pytest.raises(CondorFuturesError, match=r"/session already contains a session; attach\('/.*/session'\)"):
        Session.create(tmp_path / "session")
    Session.create(tmp_path / "dag")
    with pytest.raises(CondorFuturesError, match=r"already contains a DAG; DagExecutor\.attach"):
        Session.create(tmp_path / "dag")
    (tmp_path / "dag" / "session.json").write_text("")
    with pytest.raises(CondorFuturesError, match=r"already contains a session"):
        Session.create(tmp_path / "dag")


def test_session_of_this_process_is_in_use_here(tmp_path):
    """The error does not advise ending the process that asks."""
    session = Session.create(tmp_path / "session")
    with pytest.raises(CondorFuturesError, match="is in use in this process; shut down or detach its executor"):
        Session.open(session.directory).take_up(0.0)
    session.leave()


def test_session_in_use_is_known_by_every_path(tmp_path):
    """A new lock would succeed, because the kernel lets a process share its own locks.

    Its release would release both.
    """
    session = Session.create(tmp_path / "session")
    (tmp_path / "link").symlink_to(session.directory)
    link = Session.open(tmp_path / "link")
    assert link.lock.holder == os.getpid()
    with pytest.raises(CondorFuturesError, match="is in use in this process"):
        link.take_up(0.0)
    assert not taken_up_elsewhere(session.directory)
    session.leave()
    link.take_up(0.0)
    with pytest.raises(CondorFuturesError, match="is in use in this process"):
        Session.open(session.directory).take_up(0.0)
    link.leave()
    assert taken_up_elsewhere(session.directory)


def taken_up_elsewhere(directory: Path) -> bool:
    """Another process may attach to it for a moment."""
    code = "import sys; from pathlib import Path; from condor_futures.session.session import Session; "
    done = python(code + "Session.open(Path(sys.argv[1])).take_up(0.0)", directory)
    assert done.returncode == 0 or "is in use by the process" in done.stderr
    return done.returncode == 0


def python(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the code in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(condor_futures.__file__).parents[1])}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


FORKS = """
import os, sys
from pathlib import Path
from condor_futures.session.session import Session

session = Session.create(Path(sys.argv[1]))
left, leave = os.pipe()
child = os.fork()
if child == 0:
    os.read(left, 1)
    Session.open(session.directory).take_up(0.0)
    print("taken up")
else:
    session.leave()
    os.write(leave, b"x")
    os.waitpid(child, 0)
"""


def test_child_takes_up_what_its_parent_has_left(tmp_path):
    """The child has a copy of its parent's list of locks, but none of the locks."""
    done = python(FORKS, tmp_path / "session")
    assert done.stdout == "taken up\n", done.stderr


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_session_that_cannot_be_taken_up_can_be_later(tmp_path, monkeypatch):
    """The disk was full. The session is not in use here after that."""
    Session.create(tmp_path / "session").leave()
    with monkeypatch.context() as full:
        full.setattr(Session, "_sign", no_room)
        with pytest.raises(CondorFuturesError, match=r"cannot be opened: /.*/session: No space left on device$"):
            Session.open(tmp_path / "session").take_up(0.0)
    session = Session.open(tmp_path / "session")
    session.take_up(0.0)
    session.leave()


def test_session_whose_event_log_is_a_pipe_is_refused(tmp_path):
    """Reading it would never end. The user who made the pipe can remove it."""
    session = Session.create(tmp_path / "session")
    session.leave()
    session.event_log.unlink()
    os.mkfifo(session.event_log)
    with pytest.raises(CondorFuturesError, match=r"cannot be opened: /.*: event_log is not a regular file"):
        Session.open(session.directory).take_up(0.0)
    session.event_log.unlink()
    session = Session.open(session.directory)
    session.take_up(0.0)
    session.leave()


def test_full_disk_keeps_no_session_from_being_purged(tmp_path, monkeypatch):
    """A purge is then needed most."""
    Session.create(tmp_path / "session", settings={"access_point": None}).leave()
    monkeypatch.setattr(Session, "create_file", no_room)
    assert purge(tmp_path / "session", force=True) == 0
    assert not (tmp_path / "session").exists()


@pytest.mark.parametrize("there", [True, False], ids=["empty directory", "no directory"])
def test_session_that_cannot_be_made_can_be_later(tmp_path, monkeypatch, there):
    """The disk was full. The directory is unchanged, and the lock is free."""
    directory = tmp_path / "session"
    if there:
        directory.mkdir()
    with monkeypatch.context() as full:
        full.setattr(Session, "_sign", no_room)
        with pytest.raises(
            CondorFuturesError, match=r"a session cannot be created in /.*/session: No space left on device$"
        ):
            Session.create(directory)
    assert directory.exists() == there
    assert not (there and list(directory.iterdir()))
    Session.create(directory).leave()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_directory_that_cannot_be_made_is_refused(tmp_path, name):
    """A file has its name. The error is ours, with the place and the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(CondorFuturesError) as caught:
        Session.create(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.strerror in str(caught.value)


def test_relative_directory_stays_where_it_is_when_the_program_moves(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = Session.create(Path("session"))
    assert session.directory == tmp_path / "session"


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_files_belong_to_the_user_that_jobs_of_root_run_as(tmp_path):
    """HTCondor runs root's jobs as another user, who has to be able to read them. No other user can."""
    session = Session.create(tmp_path / "session", owner=1)
    own = ("lock", "session.json")
    assert {path.stat().st_uid for path in fill(session) if path.name not in own} == {1}
    assert {(session.directory / name).stat().st_uid for name in own} == {0}
    session.lock.release()
    assert Session.open(session.directory).record.owner == 1


def test_what_a_client_left_half_written_is_in_nobodys_way(tmp_path):
    """The client was killed between a file's first byte and its final name, or the event log has disappeared."""
    left = Session.create(tmp_path / "session", settings={})
    left.write_runner()
    left.leave()
    halves = [left.directory / name for name in ("session.json.new", "runner.new")]
    for half in halves:
        half.write_bytes(b"half")
    left.event_log.unlink()
    session = Session.open(tmp_path / "session")
    session.take_up(0.0)
    session.write_runner()
    assert not any(half.exists() for half in halves)
    assert session.event_log.read_bytes() == b""
    session.leave()
