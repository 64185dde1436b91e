"""Outcomes that were tampered with are refused, only calls have the secret, and a pool is for its user alone."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import Pool, session_constraint, until

from condor_futures import CondorExecutor, CondorFuturesError, JobCrashedError, OutcomeError, shell
from condor_futures.execution_point.frames import MAGIC, TAG_SIZE, write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.inspection import inspect_file
from condor_futures.personal import PersonalPool

pytestmark = pytest.mark.pool
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


# Outcomes.


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self):
        return os.mkdir, (str(self.sprung),)


def wait_for(flag: str, n: int) -> int:
    while not os.path.exists(flag):  # noqa: PTH110 - it is a job's, and short
        time.sleep(0.05)
    return n * n


@pytest.fixture
def left(pool, new_executor, tmp_path):
    """Sessions whose calls, each with a job of its own, ended after the client left.

    Return the files of their outcomes.
    """

    def leave(name: str, count: int) -> list[Path]:
        executor = new_executor(session=tmp_path / name, spool=False)
        futures = [executor.submit(wait_for, str(tmp_path / "go"), n) for n in range(count)]
        until(lambda: all(future.job_id for future in futures))
        executor.detach()
        (tmp_path / "go").touch()
        until(lambda: not pool.queue(executor))
        return sorted(executor.session.glob("bundles/000/*.outcomes"))

    return leave


@pytest.fixture
def attach(pool):
    executors = []

    def attach(session):
        executors.append(CondorExecutor.attach(session))
        return executors[-1]

    yield attach
    for executor in executors:
        executor.shutdown()
        assert pool.queue(executor) == []


def forged(secret: bytes, session: str, call: str, value: object) -> bytes:
    """A frame as a job would write it."""
    file = io.BytesIO()
    header = {"kind": "outcome", "session": session, "call": call, "result": "value", "host": "here"}
    write_frame(file, secret, header, dumps(value))
    return file.getvalue()


def test_outcomes_that_were_tampered_with(left, attach, tmp_path):
    """Each costs its own call, and none of its content is unpickled."""
    older = [path.read_bytes() for path in left("older", 2)]
    (tmp_path / "go").unlink()
    outcomes = left("session", 13)
    _, altered, cut, swapped, other, linked, replayed, pipe, hard, gone, guessed, doubled, added = outcomes
    about = json.loads((tmp_path / "session/session.json").read_text())
    secret = bytes.fromhex(about["secret"])
    sprung = tmp_path / "sprung"

    data = bytearray(altered.read_bytes())
    data[-TAG_SIZE - 2] ^= 1
    altered.write_bytes(data)
    cut.write_bytes(cut.read_bytes()[:-1])
    swapped.rename(tmp_path / "swapped")
    other.rename(swapped)
    (tmp_path / "swapped").rename(other)
    linked.rename(tmp_path / "linked")
    linked.symlink_to(tmp_path / "linked")
    replayed.write_bytes(older[1])
    pipe.unlink()
    os.mkfifo(pipe)
    hard.rename(tmp_path / "hard")
    hard.hardlink_to(tmp_path / "hard")
    gone.unlink()
    guessed.write_bytes(forged(b"k" * 32, about["id"], "c000010", Trap(sprung)))
    # The frame has the right tag, as only a call of this session could write it. The first outcome of a call counts.
    doubled.write_bytes(doubled.read_bytes() + forged(secret, about["id"], "c000011", Trap(sprung)))
    added.write_bytes(added.read_bytes() + forged(secret, about["id"], "c000000", Trap(sprung)))

    futures = list(attach(tmp_path / "session").futures.values())
    told = {number: future.exception() for number, future in enumerate(futures)}
    assert {number for number, error in told.items() if error is None} == {0, 8, 11, 12}
    assert [futures[number].result() for number in (0, 8, 11, 12)] == [0, 64, 121, 144]
    for number, words in {
        1: "or altered",
        2: "truncated",
        3: "the call c000004, which does not belong to the job",
        4: "the call c000003, which does not belong to the job",
        5: "symbolic links|is not a regular file",
        6: "or altered",
        7: "is not a regular file",
        10: "or altered",
    }.items():
        assert isinstance(told[number], OutcomeError), told[number]
        assert re.search(words, str(told[number])), told[number]
        assert futures[number].job_id in str(told[number])
    assert "before it could report" in str(told[9])
    assert not sprung.exists()
    # Inspecting does not unpickle it either.
    inspection = inspect_file(guessed)
    assert inspection.distrust is not None
    assert not sprung.exists()


@pytest.mark.parametrize("how", ["altered", "cut where an outcome begins"])
def test_outcomes_of_a_bundle_are_refused_one_by_one(new_executor, pool, attach, tmp_path, how):
    """Outcomes before the changed byte count. If an outcome is missing, the job did not report it."""
    executor = new_executor(session=tmp_path / "session", spool=False)
    results = executor.map(wait_for, [str(tmp_path / "go")] * 4, range(4), chunksize=4)
    until(lambda: executor.counts()["running"] == 4)
    executor.detach()
    (tmp_path / "go").touch()
    until(lambda: not pool.queue(executor))
    [path] = (tmp_path / "session").glob("bundles/000/*.outcomes")
    data = bytearray(path.read_bytes())
    last = data.rindex(MAGIC)
    data[last + 100] ^= 1
    path.write_bytes(data if how == "altered" else data[:last])
    futures = list(attach(tmp_path / "session").futures.values())
    assert [future.result() for future in futures[:3]] == [0, 1, 4]
    error = futures[3].exception()
    assert isinstance(error, OutcomeError if how == "altered" else JobCrashedError)
    assert how == "altered" or error.exit_status == 0
    results.close()


def test_a_job_cannot_make_a_pipe_of_its_outcomes(new_executor, tmp_path):
    """Its future fails instead of waiting for ever. Other futures do not."""
    executor = new_executor(spool=False)
    mischief = shell('rm "$1"; mkfifo "$1"; kill -9 $(ps -o ppid= -p $PPID) $PPID')
    outcomes = executor.session / "bundles/000/b000000.outcomes"
    bad = executor.submit(mischief, str(outcomes))
    with pytest.raises(CondorFuturesError):
        bad.result(100)
    assert executor.submit(pow, 3, 2).result() == 9


# Places with the secret.


def holders(secret: bytes, *directories: Path) -> set[str]:
    """Return the names of the files that have the secret in them, in binary or in hexadecimal."""
    found = set()
    for directory in directories:
        for path in directory.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with contextlib.suppress(FileNotFoundError):
                    data = path.read_bytes()
                    if secret in data or secret.hex().encode() in data.lower():
                        found.add(path.name)
    return found


def processes(secret: bytes) -> list[str]:
    """Return the processes that have the secret in their command line or environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for kind in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                data = (process / kind).read_bytes()
                if secret in data or secret.hex().encode() in data.lower():
                    found.append(f"{process.name} {kind}")
    return found


@pytest.mark.parametrize("spool", [True, False])
def test_the_secret_is_in_files_of_calls_and_nowhere_else(new_executor, pool, tmp_path, spool):
    """The test looks for it while jobs wait, run and are on hold, and when all have ended."""
    executor = new_executor(session=tmp_path / "session", spool=spool)
    secret, directory = executor._engine.session.secret, pool.personal.directory
    flag = str(tmp_path / "go")
    running = [executor.submit(wait_for, flag, n) for n in range(2)]
    environment = executor.submit(
        lambda: (wait_for(flag, 0), dict(os.environ), Path("/proc/self/cmdline").read_bytes())
    )
    idle = executor.with_options(requirements="false").submit(wait_for, flag, 3)
    until(lambda: [future.state for future in (*running, environment, idle)] == ["running"] * 3 + ["idle"])
    calls = {f"b{number:06d}.calls" for number in range(4)}
    assert holders(secret, directory) == (calls if spool else set())
    assert holders(secret, tmp_path) == {"session.json", *calls}
    assert processes(secret) == []
    constraint = session_constraint(executor)
    assert secret.hex() not in pool.run("condor_q", "-allusers", "-long", "-constraint", constraint).lower()
    assert secret.hex() not in pool.run("condor_status", "-long", "-any").lower()
    Path(flag).touch()
    assert [future.result() for future in running] == [0, 1]
    _, variables, command = environment.result()
    assert secret.hex() not in str(variables)
    assert secret.hex().encode() not in command
    idle.cancel()
    executor.shutdown()
    assert secret.hex() not in pool.run("condor_history", "-long", "-constraint", constraint).lower()
    # Spool, history, queue, and the logs of all daemons, including shadows and starters, are below this directory.
    assert {path.name for path in (directory / "log").iterdir()} >= {"SchedLog", "ShadowLog", "StartLog"}
    assert holders(secret, directory) == set()


def test_the_secret_is_not_in_what_is_logged(new_executor, pool, caplog):
    caplog.set_level("DEBUG")
    executor = new_executor()
    secret = executor._engine.session.secret.hex()
    assert executor.submit(pow, 2, 2).result() == 4
    with pytest.raises(CondorFuturesError):
        executor.with_options(priority="high").submit(pow, 2, 2).result()
    assert secret not in caplog.text
    assert secret not in repr(executor._engine.session.directory)


# Other users of this machine.


@pytest.mark.root
@ROOT
@pytest.mark.parametrize("umask", [0, 0o777], ids=oct)
def test_a_session_is_its_users_whatever_the_umask(user, umask):
    """One umask denies others nothing; the other denies the owner everything, which does not stop root."""
    text = f"""
        import os, stat
        from pathlib import Path
        from condor_futures.session.session import Session
        os.umask({umask})
        session = Session.create(Path("new-{umask}/session"))
        with session.create_file(session.bundle_directory(0) / "b000000.calls") as file:
            file.write(b"calls")
        session.write_runner()
        session.leave()
        again = Session.open(session.directory)
        again.take_up(0)
        assert (again.bundles / "000/b000000.calls").read_bytes() == b"calls"
        for path in (again.directory, *again.directory.rglob("*")):
            private = 0o700 if path.is_dir() or path == again.runner else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == private, path
        again.remove()
    """
    done = user.run(text, {})
    assert done.returncode == 0, done.stderr


ASK = """
import json, os, sys
import classad2, htcondor2

def allowed(action):
    try:
        return bool(action())
    except Exception as error:
        return False

told = json.loads(sys.argv[1])
answers = {}
for text in told["ads"]:
    ad = classad2.ClassAd(text)
    for level in ("READ", "WRITE", "DAEMON", "NEGOTIATOR", "ADMINISTRATOR", "ADVERTISE_STARTD", "CONFIG"):
        answers[f"{ad['MyType']} {level}"] = allowed(
            lambda: htcondor2.ping(ad, level).get("AuthorizationSucceeded", False))
of = {classad2.ClassAd(text)["MyType"]: classad2.ClassAd(text) for text in told["ads"]}
schedd = htcondor2.Schedd(of["Scheduler"])
description = {"executable": "/bin/true", "transfer_executable": "false"}
answers["submit"] = allowed(lambda: schedd.submit(htcondor2.Submit(description)).cluster() > 0)
answers["queue"] = allowed(lambda: schedd.query("true"))
answers["hold"] = allowed(lambda: schedd.act(htcondor2.JobAction.Hold, "true")["TotalSuccess"] > 0)
answers["machines"] = allowed(lambda: htcondor2.Collector(told["collector"]).query())
answers["advertise"] = allowed(lambda: htcondor2.Collector(told["collector"]).advertise(
    [classad2.ClassAd({"MyType": "Generic", "Name": "intruder"})], "UPDATE_AD_GENERIC") is None)
answers["drain"] = allowed(lambda: htcondor2.Startd(of["Machine"]).drainJobs())
answers["off"] = allowed(lambda: htcondor2.send_command(of["Scheduler"], htcondor2.DaemonCommand.Reconfig) is None)

def readable(directory):
    found = []
    for place, _, names in os.walk(directory):
        for path in (os.path.join(place, name) for name in names):
            if os.path.isfile(path) and os.access(path, os.R_OK):
                with open(path, "rb") as file:
                    found.append((os.path.basename(path), file.read()))
    return found

files = [file for directory in told["directories"] for file in readable(directory)]
secret = bytes.fromhex(told["secret"])
print(json.dumps({
    "allowed": sorted(name for name, yes in answers.items() if yes),
    "asked": len(answers),
    "files": sorted({name for name, _ in files}),
    "secret": sorted(name for name, data in files if secret in data or secret.hex().encode() in data),
    "environments": [pid for pid in told["processes"] if os.access(f"/proc/{pid}/environ", os.R_OK)],
}))
"""


@pytest.fixture(params=["user_namespace", "condor_ids"])
def site(request, public_release, monkeypatch) -> Iterator[PersonalPool]:
    """A pool of root's in both root modes, in a place that another user could reach if permissions were wrong."""
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-security-"))
    directory.chmod(0o755)
    pool = PersonalPool(directory / "pool", release=public_release, root_mode=request.param, slots=4)
    try:
        pool.start()
        environment = pool.environment()
        for name in ("CONDOR_CONFIG", "PATH"):
            monkeypatch.setenv(name, environment[name])
        monkeypatch.setenv("XDG_STATE_HOME", str(directory / "state"))
        yield pool
    finally:
        pool.stop()
        shutil.rmtree(directory)


ADS = """
import time
import htcondor2
for kind in ("Collector", "Negotiator", "Schedd", "Startd", "Master"):
    projection = ["MyType", "Name", "MyAddress", "AddressV1", "CondorVersion"]
    while not (found := htcondor2.Collector().query(getattr(htcondor2.AdType, kind), projection=projection)):
        time.sleep(0.1)  # it has just started
    print(repr(str(found[0])))
"""


def run(code: str, environment: dict[str, str], *arguments: str) -> str:
    """Return the output of Python code that runs as root."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.root
@ROOT
def test_no_other_user_of_the_machine_gets_in(site, user):
    """A user gets nothing from any daemon, and nothing from the disk. No one on another machine can connect."""
    pool, flag = Pool(site), site.directory.parent / "go"
    config = user.home / "condor_config"
    config.write_text(site.config_file.read_text())
    config.chmod(0o644)
    environment = {"PATH": pool.environment["PATH"], "CONDOR_CONFIG": str(config)}
    executor = CondorExecutor()
    try:
        future = executor.submit(wait_for, str(flag), 3)
        idle = executor.with_options(requirements="false").submit(wait_for, str(flag), 3)
        until(lambda: (future.state, idle.state) == ("running", "idle"))
        told = {
            "ads": [ast.literal_eval(line) for line in run(ADS, pool.environment).splitlines()],
            "collector": (site.directory / "log/.collector_address").read_text().split()[0],
            "secret": executor._engine.session.secret.hex(),
            "directories": [str(site.directory), str(executor.session)],
            "processes": [site.master_pid, os.getpid(), *pool.pids("condor_schedd"), *pool.pids("condor_starter")],
        }
        theirs = user.run(ASK, environment, json.dumps(told))
        mine = json.loads(run(ASK, pool.environment, json.dumps(told)))
    finally:
        executor.terminate_workers()
    assert theirs.returncode == 0, theirs.stderr
    found = json.loads(theirs.stdout)
    assert {"Scheduler READ", "Scheduler WRITE", "Machine DAEMON", "submit", "queue", "machines"} <= {*mine["allowed"]}
    assert any(name.endswith(".calls") for name in mine["secret"])
    assert found["asked"] > 40
    assert found["allowed"] == []
    assert found["secret"] == []
    assert found["environments"] == []
    assert {".startd_claim_id.slot1", "job_queue.log"} <= {*mine["files"]} - {*found["files"]}
    listening = [
        connection.laddr.ip
        for process in (psutil.Process(site.master_pid), *psutil.Process(site.master_pid).children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert set(listening) == {"127.0.0.1"}
