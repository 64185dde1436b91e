"""Which processes keep a pool running, and what becomes of it when processes are killed in any order."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from condor_futures.personal import PersonalPool
from condor_futures.personal.files import PoolFiles, PoolRecord
from condor_futures.personal.processes import Process, pool_processes, wait_for

pytestmark = pytest.mark.load_dependent("the tests start many pools, whose daemons have a minute to be ready each time")

OWNER = """
import sys
from condor_futures.personal import PersonalPool
pool = PersonalPool({directory}, slots=2{options}).start({start})
print(pool.master_pid, pool.directory, flush=True)
sys.stdin.read() if {ends} else __import__("time").sleep(1000)
"""


def own(owner, directory, *, options="", start="", ends=False):
    """Another process that uses a pool, with the pool's master and directory."""
    directory = repr(str(directory)) if directory else None
    process, line = owner(OWNER.format(directory=directory, options=options, start=start, ends=ends))
    pid, where = line.split(maxsplit=1)
    return process, Process.of(int(pid)), where


def test_the_last_user_stops_the_pool(owner, make_pool, kill):
    """Several users may leave in any order."""
    pool = make_pool()
    process, master, _ = own(owner, pool.directory)
    pool.start()
    assert pool.master_pid == master.pid
    assert pool.status().users == 2
    process.send_signal(signal.SIGINT)
    process.wait()
    assert master.is_alive
    assert pool.status().users == 1
    pool.close()
    assert not master.is_alive


def test_ctrl_c_stops_the_pool(owner, make_pool):
    """The daemons have a session of their own. The interpreter stops them in order when it exits."""
    pool = make_pool()
    process, master, _ = own(owner, pool.directory)
    process.send_signal(signal.SIGINT)
    process.wait()
    assert not master.is_alive
    assert not pool_processes(pool.directory)


def test_ctrl_c_while_the_pool_starts(owner, make_pool, release):
    """An interrupted start leaves nothing running."""
    pool = make_pool()
    code = "import sys; print(flush=True)\n" + OWNER.format(
        directory=repr(str(pool.directory)), options="", start="", ends=False
    )
    process, _ = owner(code)
    while not pool.is_running:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.wait() != 0
    assert not pool.is_running
    assert not pool_processes(pool.directory)


def test_two_starts_at_once_make_one_pool(owner, make_pool):
    """The second start waits for the first, and uses its pool."""
    pool = make_pool()
    users = [PersonalPool(pool.directory, release=pool.release, slots=2) for _ in range(2)]
    with ThreadPoolExecutor() as threads:
        list(threads.map(PersonalPool.start, users))
    assert pool.status().users == 2
    assert len(pool_processes(pool.directory)) == 7
    for user in users:
        assert pool.is_running
        user.close()
    assert not pool.is_running


def test_an_orphan_is_taken_over(owner, make_pool):
    """A pool continues after its only user was killed. The process that starts it next is then its last user."""
    pool = make_pool()
    process, master, _ = own(owner, pool.directory)
    process.kill()
    process.wait()
    assert master.is_alive
    with pool:
        assert pool.master_pid == master.pid
        assert pool.status().users == 1
    assert not wait_for([master], timeout=20)


def test_a_dead_master_is_replaced(make_pool, kill):
    """The start stops the remaining daemons of the old pool. Its files in the directory do no harm."""
    pool = make_pool().start()
    first = pool.master_pid
    kill(first)
    assert not pool.is_running
    assert pool.status().slots is None
    assert pool_processes(pool.directory)
    pool.start()
    assert pool.master_pid not in {None, first}
    assert pool.status().slots == 2
    assert len(pool_processes(pool.directory)) == 7


def test_a_pool_that_does_not_answer_is_replaced(make_pool, monkeypatch):
    """A pool is stopped if its master runs but its daemons do not answer, unless a process uses it."""
    monkeypatch.setattr("condor_futures.personal.pool._ORPHAN_TIMEOUT", 1.0)
    monkeypatch.setattr("condor_futures.personal.daemons._GRACE", 0.5)
    pool = make_pool().start()
    first = Process.of(pool.master_pid)
    for process in pool_processes(pool.directory):
        os.kill(process.pid, signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr("condor_futures.personal.daemons._TOOL_TIMEOUT", 1.0)
        pool.start()
    assert not first.is_alive
    assert pool.status().slots == 2


def test_a_persistent_pool_needs_no_user(owner, make_pool):
    """The pool runs until a user stops it."""
    pool = make_pool()
    process, master, _ = own(owner, pool.directory, start="persistent=True", ends=True)
    process.wait()
    assert master.is_alive
    assert pool.status().persistent
    with pool:
        assert pool.master_pid == master.pid
    assert master.is_alive
    PersonalPool.attach(pool.directory).stop()
    assert not master.is_alive
    assert not pool.status().persistent


def test_a_forked_child_is_no_user(make_pool):
    """The exit of the child does not stop its parent's pool. The child may use a pool of its own."""
    pool = make_pool().start()
    child = os.fork()
    if child == 0:
        pool.close()
        os._exit(0 if pool.is_running else 1)
    assert os.waitpid(child, 0)[1] == 0
    child = os.fork()
    if child == 0:
        pool.start()
        users = pool.status().users
        pool.close()
        os._exit(0 if (users, pool.is_running) == (2, True) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert pool.status().slots == 2


def test_the_temporary_pool_of_a_killed_process_is_removed(owner, make_pool):
    """The next process that starts a temporary pool removes it."""
    process, master, directory = own(owner, None, options=", temporary=True")
    process.kill()
    process.wait()
    with make_pool(temporary=True) as pool:
        assert str(pool.directory) != directory
        assert not master.is_alive
        assert not Path(directory).exists()


def test_a_reused_process_id_is_not_mistaken(make_pool):
    """The record also has the start time of the process, so no other process is taken for the pool or stopped."""
    pool = make_pool()
    pool.directory.mkdir()
    record = PoolRecord(Process(os.getpid(), start_time=1), pool.release)
    PoolFiles(pool.directory).write_record(record)
    assert not pool.is_running
    pool.stop()
    assert PoolFiles(pool.directory).read_record() is None
