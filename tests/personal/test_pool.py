"""A personal pool in use, each time with a real HTCondor."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from condor_futures.errors import PersonalPoolError
from condor_futures.personal import PersonalPool, default_pool_directory
from condor_futures.personal import pool as pool_module
from condor_futures.personal.processes import pool_processes

pytestmark = pytest.mark.load_dependent("the tests start many pools, whose daemons have a minute to be ready each time")

# This script submits a spooled job that transfers only if it must, through the bindings, in a process with the pool's
# environment. It prints the job's spool directory and the directory that the job ran in. It waits for status 4, because
# for a moment after the event log says that the job has ended, a retrieval does not find all files.
JOB = """
import os, sys, time
from pathlib import Path
import htcondor2
directory = Path(sys.argv[1])
os.chdir(directory)
log = directory / "job.log"
description = htcondor2.Submit({
    "executable": "/bin/sh", "transfer_executable": "false", "arguments": "-c pwd", "output": "out",
    "should_transfer_files": "IF_NEEDED", "initialdir": str(directory),
    "dagman_log": str(log),
})
schedd = htcondor2.Schedd()
result = schedd.submit(description, spool=True)
schedd.spool(result)
kinds = htcondor2.JobEventType
ends = (kinds.JOB_TERMINATED, kinds.JOB_HELD, kinds.JOB_ABORTED)
for event in htcondor2.JobEventLog(str(log)).events(stop_after=60):
    if event.type in ends:
        break
assert event.type == kinds.JOB_TERMINATED, event
while schedd.query(f"ClusterId == {result.cluster()}", ["JobStatus"])[0]["JobStatus"] != 4:
    time.sleep(0.05)
spool = Path(schedd.query(f"ClusterId == {result.cluster()}", ["Iwd"])[0]["Iwd"])
schedd.retrieve(f"ClusterId == {result.cluster()}")
print(spool, (directory / "out").read_text().strip(), sep="\\n")
"""


def run_job(pool, directory):
    """Return the job's spool directory, and the directory that the job reports."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o777)
    command = [sys.executable, "-c", JOB, directory]
    result = subprocess.run(command, check=False, env=pool.environment(), capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_a_pool_from_start_to_stop(make_pool, tmp_path):
    """The pool is ready when start() returns. It runs a job where it was spooled. A second object attaches to it.

    After the stop, there are files but no processes.
    """
    before = dict(os.environ)
    pool = make_pool(config={"MY_OWN_SETTING": "hello"})
    assert not pool.is_running
    with pool:
        status = pool.status()
        assert (status.running, status.slots, status.users, status.persistent) == (True, 2, 1, False)
        assert status.jobs == dict.fromkeys(["completed", "removed", "idle", "running", "held", "suspended"], 0)
        assert status.version == pool.release.version
        assert status.pid == pool.master_pid
        assert Path(f"/proc/{status.pid}/comm").read_text() == "condor_master\n"

        spool, ran_in = run_job(pool, tmp_path / "job")
        assert ran_in == spool
        assert ran_in.startswith(str(pool.directory / "spool"))

        other = PersonalPool.attach(pool.directory)
        assert other.status().users == 2
        value = subprocess.run(
            ["condor_config_val", "MY_OWN_SETTING"], env=other.environment(), capture_output=True, text=True, check=True
        )
        assert value.stdout == "hello\n"
        other.close()
        assert pool.is_running
    assert not pool.is_running
    assert (pool.directory / "log" / "MasterLog").exists()
    assert os.environ == before
    with pytest.raises(PersonalPoolError, match="No personal pool runs"):
        PersonalPool.attach(pool.directory)


def command_line(pid):
    """Return a process's command line, or an empty string if it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def test_running_jobs_do_not_outlive_their_pool(make_pool):
    """A stop also kills processes that have detached themselves from their job."""
    pool = make_pool().start()
    description = (
        "executable = /bin/sh\n"
        "transfer_executable = false\n"
        "arguments = \"-c 'setsid sleep 1000 & sleep 1000'\"\n"
        "queue 2\n"
    )
    command = ["condor_submit", "-"]
    subprocess.run(command, input=description, env=pool.environment(), check=True, text=True, capture_output=True)
    jobs = []
    while len(jobs) < 4:  # the schedd calls a job running some time before its processes exist
        time.sleep(0.05)
        found = pool_processes(pool.directory)
        jobs = [process for process in found if command_line(process.pid) == ["sleep", "1000"]]
    pool.stop()
    assert not any(process.is_alive for process in jobs)


def test_two_pools_side_by_side(make_pool, tmp_path):
    """Each pool has its own daemons, port and queue.

    A directory name may be long, although names of sockets may not.
    """
    first = make_pool("one").start()
    second = make_pool(Path(*["a-rather-long-name-of-a-directory"] * 5) / "with a space").start()
    assert len(str(second.directory)) > 150
    assert first.master_pid != second.master_pid
    run_job(first, tmp_path / "job")
    spool, ran_in = run_job(second, tmp_path / "job2")
    assert spool == ran_in
    first.stop()
    assert second.status().slots == 2


def test_a_temporary_pool_leaves_nothing(make_pool):
    """Its directory is removed with it. After a restart, it has another one."""
    pool = make_pool(temporary=True)
    with pytest.raises(PersonalPoolError, match="no directory before"):
        pool.environment()
    with pool:
        directory = pool.directory
        assert directory.exists()
    assert not directory.exists()
    with pytest.raises(ValueError, match="either directory or temporary"):
        PersonalPool(directory, temporary=True)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_daemons(make_pool, public_release):
    """If user namespaces are not allowed, root's jobs run as an ordinary account."""
    with make_pool(temporary=True, root_mode="condor_ids", release=public_release) as pool:
        uids = {Path(f"/proc/{pool.master_pid}/status").read_text().split("Uid:")[1].split()[0]}
        assert uids == {"0"}
        spool, ran_in = run_job(pool, pool.directory / "job")
        assert spool == ran_in
        assert pool.status().slots == 2


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_daemons_need_a_directory_that_all_may_enter(make_pool, tmp_path):
    """The error names the directory that others may not enter."""
    tmp_path.chmod(0o700)
    with pytest.raises(PersonalPoolError, match=r"who cannot enter .*such as one below /var/tmp"):
        make_pool(root_mode="condor_ids").start()


def test_a_directory_that_others_could_replace(make_pool, tmp_path):
    """The configuration in the directory determines what the daemons run."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    pool = make_pool("shared/pool")
    with pytest.raises(
        PersonalPoolError, match=f"not a safe place for a personal pool: everybody can write to {tmp_path}"
    ):
        pool.start()
    assert not (tmp_path / "shared/pool/condor_config").exists()


def test_daemons_that_do_not_start(make_pool):
    """The error ends with the message in the daemons' log. Nothing is left running."""
    pool = make_pool(config={"DAEMON_LIST": "MASTER NONSENSE"})
    with pytest.raises(PersonalPoolError, match=r"(?s)exited during its start; .*MasterLog.*NONSENSE"):
        pool.start()
    assert not pool.is_running


def test_daemons_that_are_not_ready_in_time(make_pool):
    """A pool without an execution point would never run a job."""
    pool = make_pool(config={"DAEMON_LIST": "MASTER COLLECTOR SCHEDD"})
    with pytest.raises(PersonalPoolError, match="did not become ready in time"):
        pool.start(timeout=3)
    assert not pool.is_running


def test_without_any_htcondor(tmp_path, monkeypatch):
    """The error says how to install HTCondor."""
    monkeypatch.setattr(pool_module, "find_htcondor", lambda: None)
    with pytest.raises(PersonalPoolError, match=r"no HTCondor.*pool install"):
        PersonalPool(tmp_path / "pool").start()


def test_elsewhere_than_on_linux(tmp_path, monkeypatch):
    """The error names an alternative."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(PersonalPoolError, match="remote access point"):
        PersonalPool(tmp_path / "pool").start()


def test_the_default_directory(monkeypatch, tmp_path):
    """The default follows the XDG base directory specification."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_pool_directory() == tmp_path / "condor_futures" / "pools" / "personal"
    assert PersonalPool().directory == default_pool_directory()
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("condor_futures.personal.identity._user_namespaces_work", lambda: True)
    assert default_pool_directory() == tmp_path / ".local" / "state" / "condor_futures" / "pools" / "personal"


def test_the_default_directory_of_root_in_a_container(monkeypatch):
    """Daemons that become another account cannot enter root's home directory."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr("condor_futures.personal.identity._user_namespaces_work", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_pool_directory() == Path("/var/lib/condor_futures/pools/personal")


def test_a_pool_that_never_ran(tmp_path):
    """Its status is available, and stopping it is no error."""
    pool = PersonalPool(tmp_path / "pool")
    status = pool.status()
    assert (status.running, status.pid, status.slots, status.users, dict(status.jobs)) == (False, None, None, 0, {})
    pool.stop()
    pool.close()
    with pytest.raises(PersonalPoolError, match="No personal pool runs"):
        PersonalPool.attach(tmp_path / "pool")
    assert not (tmp_path / "pool").exists()
