"""Sessions are listed with their states, and purged with everything that belongs to them."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support import session_constraint, until

from condor_futures import AccessPointError, CondorExecutor, CondorFuturesError, DagExecutor, purge, sessions, shell
from condor_futures.files.process_lock import SessionLock

pytestmark = pytest.mark.pool


@pytest.fixture(autouse=True)
def state(pool, tmp_path, monkeypatch):
    """The default directories for this test alone, without sessions of other tests. The pool stays the same."""
    monkeypatch.setenv("CONDOR_CONFIG", str(pool.personal.config_file))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / "state"


@pytest.fixture
def left(pool):
    """Leave a session of three calls: one ended and was reported, one runs, and one is idle."""
    made = []

    def leave(**options) -> CondorExecutor:
        executor = CondorExecutor(warm=0, **options)
        made.append(executor)
        assert executor.submit(pow, 2, 2).result() == 4
        running = executor.submit(shell("sleep 600"))
        idle = executor.with_options(requirements="false").submit(pow, 2, 2)
        until(lambda: (running.state, idle.state) == ("running", "idle"))
        executor.detach()
        return executor

    yield leave
    left_behind = [executor for executor in made if pool.queue(executor)]
    for executor in left_behind:
        purge(executor.session)
    assert left_behind == []


def command(*arguments: str, status: int = 0) -> str:
    """Return the output and the exit status of the command."""
    done = subprocess.run(
        [sys.executable, "-m", "condor_futures.cli", *arguments],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_sessions_are_listed_with_their_states(left, tmp_path):
    """A session that this process uses is listed too."""
    assert sessions() == []
    assert "no sessions in" in command("sessions")
    ephemeral = left()
    with CondorExecutor(session=tmp_path / "kept") as kept:
        assert kept.submit(abs, -5).result() == 5
        assert kept.submit(shell("exit 3")).exception() is not None
        with CondorExecutor() as used:
            assert used.submit(abs, -5).result() == 5
            found = sessions(tmp_path / "kept")
            assert [(info.directory, info.state, info.calls, info.ended) for info in found] == [
                (ephemeral.session, "left", 3, 1),
                (tmp_path / "kept", "in use", 2, 2),
                (used.session, "in use", 1, 1),
            ]
            assert [info.pid for info in found] == [None, os.getpid(), os.getpid()]
    # A session without a directory of its own exists as long as its executor and its futures.
    assert [info.state for info in sessions(tmp_path)] == ["left", "finished", "in use"]
    del used

    def states() -> list[str]:
        gc.collect()  # (this does nothing while another thread collects)
        return [info.state for info in sessions(tmp_path)]

    until(lambda: states() == ["left", "finished"])
    mine, other = sessions(tmp_path / "kept")
    assert mine.id == ephemeral._engine.session.id
    assert mine.access_point is None
    assert mine.started < other.started
    [listed] = json.loads(command("sessions", "--json"))
    assert listed["id"] == mine.id
    assert (listed["state"], listed["calls"], listed["ended"]) == ("left", 3, 1)
    # The event log grows while the job runs.
    sizes = mine.size, listed["size"], sum(file.lstat().st_size for file in mine.directory.rglob("*") if file.is_file())
    assert 0 < sizes[0] <= sizes[1] <= sizes[2]
    table = command("sessions", str(tmp_path))
    assert mine.id in table
    assert "finished" in table
    assert purge(mine.id) == 2
    assert sessions() == []


def test_a_session_in_use_is_not_purged(tmp_path):
    """The error says which process uses it."""
    code = """
import sys
from condor_futures import CondorExecutor
executor = CondorExecutor(session=sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""
    client = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "session")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with client:
        assert client.stdout.readline() == b"ready\n"
        [info] = sessions(tmp_path / "session")
        assert (info.state, info.pid) == ("in use", client.pid)
        with pytest.raises(CondorFuturesError, match=f"in use by the process {client.pid}"):
            purge(tmp_path / "session")
        assert f"in use by {client.pid}" in command("sessions", str(tmp_path))
        assert "is in use by the process" in command("purge", str(tmp_path / "session"), status=1)
        client.kill()
    assert client.returncode == -9
    # The helper ends a moment later. There was nothing left to do.
    [info] = until(lambda: [info for info in sessions(tmp_path) if info.state != "in use"])
    assert (info.state, info.pid) == ("finished", None)
    assert purge(tmp_path / "session") == 0
    assert not (tmp_path / "session").exists()


def test_purge_removes_jobs_wherever_they_are(left, pool, tmp_path):
    """It removes running jobs, waiting jobs, and jobs that ended without being retrieved, with their spooled files."""
    executor = left(session=tmp_path / "session")
    again = CondorExecutor.attach(tmp_path / "session")
    ended = again.submit(shell('while [ ! -e "$1" ]; do sleep 0.1; done'), str(tmp_path / "go"))
    until(lambda: ended.state == "running")
    again.detach()
    (tmp_path / "go").touch()
    states = until(lambda: sorted(ad["JobStatus"] for ad in pool.queue(executor)) == [1, 2, 4])
    assert states
    spool = [ad["Iwd"] for ad in pool.queue(executor)]
    assert command("purge", str(tmp_path / "session")) == f"{tmp_path / 'session'} is removed, with 3 jobs.\n"
    assert pool.ads("condor_q", session_constraint(executor)) == []
    assert not (tmp_path / "session").exists()
    until(lambda: not any(Path(directory).exists() for directory in spool))


def test_purge_of_what_is_finished(left, tmp_path):
    """It removes nothing else."""
    work = left()
    with CondorExecutor() as executor:
        future = executor.submit(abs, -5)
        assert future.result() == 5
        executor.detach()
    assert {info.state for info in sessions()} == {"left", "finished"}
    assert "name the sessions" in command("purge", "", str(executor.session), status=1)
    assert str(executor.session) in command("purge", "--finished")
    [info] = sessions()
    assert info.directory == work.session
    assert "name the sessions" in command("purge", status=1)
    assert "there is no session 'nothing'" in command("purge", "nothing", status=1)
    purge(info.id)


def test_purge_counts_as_one_does(tmp_path):
    """One job is not plural."""
    executor = CondorExecutor(session=tmp_path / "session", requirements="false")
    future = executor.submit(abs, -5)
    until(lambda: future.state == "idle")
    executor.detach()
    assert command("purge", str(tmp_path / "session")) == f"{tmp_path / 'session'} is removed, with 1 job.\n"


def test_purge_where_the_access_point_is_away(new_executor, tmp_path):
    """Nothing is removed then. With force, the directory is."""
    executor = new_executor(session=tmp_path / "session")
    executor.detach()
    about = json.loads((tmp_path / "session/session.json").read_text())
    about["settings"]["access_point"] = ["127.0.0.1:1", "ap1"]
    (tmp_path / "session/session.json").write_text(json.dumps(about))
    with pytest.raises(AccessPointError, match=r"127\.0\.0\.1:1 does not answer.*was not removed"):
        purge(tmp_path / "session")
    assert "(--force)" in command("purge", str(tmp_path / "session"), status=1)
    [info] = sessions(tmp_path)
    assert info.access_point == ("127.0.0.1:1", "ap1")
    assert purge(tmp_path / "session", force=True) == 0
    assert not (tmp_path / "session").exists()


def test_the_directory_of_a_dag_is_told_from_a_session(tmp_path):
    """DAGMan would submit its jobs again."""
    with DagExecutor("analysis", tmp_path / "dag", access_point="personal") as dag:
        [info] = sessions(tmp_path / "dag")
        assert (info.dag, info.access_point) == ("", None)
        assert "DAG, not written" in command("sessions", str(tmp_path / "dag"))
        dag.write()
    with pytest.raises(CondorFuturesError, match=r"DagExecutor\.attach"):
        purge(tmp_path / "dag")
    for options in ({}, {"access_point": None, "max_workers": 3}):
        with pytest.raises(CondorFuturesError, match=r"belongs to a DAG, .* DagExecutor\.attach\(\) to resume it"):
            CondorExecutor.attach(tmp_path / "dag", **options)
    [info] = sessions(tmp_path / "dag")
    assert (info.dag, info.access_point) == ("analysis", "personal")
    assert "personal (DAG analysis)" in command("sessions", str(tmp_path / "dag"))


def test_a_name_that_is_no_text_is_listed_and_printed(tmp_path):
    """The name is escaped as in Python, and in JSON. No client can attach, because HTCondor accepts no such name."""
    with CondorExecutor(session=tmp_path / "session"):
        pass
    odd = (tmp_path / "session").rename(tmp_path / os.fsdecode(b"\xffpr\xc3\xa9s"))
    [listed] = json.loads(command("sessions", "--json", str(tmp_path)))
    assert listed["directory"] == str(odd)
    assert "\\udcffprés" in command("sessions", str(tmp_path))
    with pytest.raises(ValueError, match="HTCondor does not support this directory name"):
        CondorExecutor.attach(odd)
    assert "\\udcffprés is removed." in command("purge", str(odd))
    assert not odd.exists()


def test_what_is_not_mine_is_not_listed(state, tmp_path):
    """In the default directory, it is skipped silently. If it is named, it is an error."""
    other = state / "condor_futures/sessions/other"
    other.mkdir(parents=True)
    (other / "session.json").write_text("{}")
    (other / "session.json").chmod(0o644)
    assert sessions() == []
    with pytest.raises(CondorFuturesError, match=r"other users may access "):
        sessions(other)
    with pytest.raises(CondorFuturesError, match=r"has no session\.json"):
        sessions(tmp_path / "nothing")


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_what_another_user_hides_is_in_nobodys_way(state, monkeypatch):
    """It is in the system's directory for temporary files, which also has root's sessions."""
    shared = Path(tempfile.mkdtemp(dir="/tmp"))  # which everyone may enter
    try:
        shared.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", str(shared))
        monkeypatch.setenv("XDG_STATE_HOME", str(shared))
        other = shared / "condor_futures-other"
        other.mkdir(mode=0o700)
        (other / "session.json").touch()
        os.seteuid(65534)
        assert sessions() == []
        with pytest.raises(CondorFuturesError, match=r"cannot be read: Permission denied"):
            sessions(other)
    finally:
        os.seteuid(0)
        shutil.rmtree(shared)


def test_to_look_at_a_lock_does_not_disturb_it(tmp_path):
    """The kernel drops a process's locks when the process closes any descriptor of the file."""
    lock = SessionLock(tmp_path / "lock")
    assert lock.holder is None
    assert not lock.path.exists()
    assert lock.acquire()
    assert SessionLock(tmp_path / "lock").holder == os.getpid()
    code = "import sys; from pathlib import Path; from condor_futures.files.process_lock import SessionLock as L; "
    code += "lock = L(Path(sys.argv[1])); print(lock.holder, lock.acquire(), lock.holder)"
    for _ in range(2):
        told = subprocess.run([sys.executable, "-c", code, lock.path], capture_output=True, text=True, check=True)
        assert told.stdout == f"{os.getpid()} False {os.getpid()}\n"
    lock.release()
    assert lock.holder is None
