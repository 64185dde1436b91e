"""A client attaches to a session whose client left or was killed at any moment. No call is lost or run twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import session_constraint, until

from condor_futures import (
    AccessPointError,
    BrokenCondorExecutor,
    CondorExecutor,
    CondorFuturesError,
    DependencyError,
    JobCrashedError,
    JobHeldError,
    JobRemovedError,
    shell,
)
from condor_futures.access_point.requests import AccessPoint

HEAD = """
import sys, time
from pathlib import Path
from condor_futures import CondorExecutor, shell

directory = Path(sys.argv[1])

def call(n, wait=""):
    with open(directory / "made", "a") as file:
        file.write(f"{n}\\n")
    while wait and not (directory / wait).exists():
        time.sleep(0.02)
    return n * n

def said(what):
    print(what, flush=True)

"""


class Client:
    """A user's program, in a process that can be killed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.session = directory / "session"
        self.made = directory / "made"
        self.process: subprocess.Popen[str] | None = None

    def start(self, script: str) -> None:
        source = HEAD + textwrap.dedent(script).replace("SESSION", repr(str(self.session)))
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, str(self.directory)], stdout=subprocess.PIPE, text=True
        )

    def wait_for(self, word: str) -> None:
        """Wait until the client prints *word*."""
        assert self.process is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def release(self, name: str = "go") -> None:
        (self.directory / name).touch()

    def times_made(self) -> Counter[str]:
        return Counter(self.made.read_text().split())


@pytest.fixture
def client(pool, tmp_path) -> Iterator[Client]:
    client = Client(tmp_path)
    yield client
    client.kill()


@pytest.fixture
def attach(pool, client) -> Iterator[Callable[..., CondorExecutor]]:
    executors: list[CondorExecutor] = []

    def attach(session: str | Path | None = None, **options) -> CondorExecutor:
        executors.append(CondorExecutor.attach(session or client.session, **options))
        return executors[-1]

    yield attach
    for executor in executors:
        executor.shutdown()
    for executor in executors:
        assert pool.queue(executor) == []


@pytest.mark.parametrize("spool", [True, False])
def test_calls_that_ran_while_the_client_was_killed(client, attach, spool):
    """Some calls ended and were reported, some run, and some are idle. Each runs once."""
    client.start(f"""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION, spool={spool})
        done = [executor.submit(call, n) for n in range(3)]
        [future.result() for future in done]
        running = [executor.submit(call, n, "go") for n in range(3, 6)]
        while any(future.state != "running" for future in running):
            time.sleep(0.02)
        idle = executor.with_options(requirements='false').submit(call, 6)
        while idle.state != "idle":
            time.sleep(0.02)
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    client.kill()
    executor = attach()
    futures = list(executor.futures.values())
    assert list(executor.futures) == [f"c{n:06d}" for n in range(7)]
    assert [future.result() for future in futures[:3]] == [0, 1, 4]
    until(lambda: Counter(future.state for future in futures) == {"done": 3, "running": 3, "idle": 1})
    assert futures[0].job_id is not None
    client.release()
    assert [future.result() for future in futures[3:6]] == [9, 16, 25]
    assert futures[6].cancel()
    assert client.times_made() == {str(n): 1 for n in range(6)}
    # The executor works like any other.
    assert executor.submit(pow, 7, 2).result() == 49


def test_jobs_that_ended_while_nobody_looked(client, attach, pool):
    """Values and errors are both available. The jobs leave the queue when they have been retrieved."""
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        futures = [executor.submit(call, n, "go") for n in range(3)]
        futures.append(executor.submit(lambda: 1 / 0))
        futures.append(executor.submit(shell("kill -9 $PPID")))
        while sum(future.state == "running" for future in futures[:3]) < 3:
            time.sleep(0.02)
        said(executor._engine.session.id)
        time.sleep(600)
    """)
    assert client.process is not None
    assert client.process.stdout is not None
    session = client.process.stdout.readline().strip()
    client.kill()
    client.release()
    constraint = f'CondorFuturesSession == "{session}"'
    until(lambda: all(ad["JobStatus"] == 4 for ad in pool.ads("condor_q", constraint)))
    futures = list(attach().futures.values())
    assert [future.result() for future in futures[:3]] == [0, 1, 4]
    with pytest.raises(ZeroDivisionError):
        futures[3].result()
    assert futures[4].exception().signal == signal.SIGKILL
    assert client.times_made() == {str(n): 1 for n in range(3)}


def test_an_initializer_that_failed_once_does_not_break_who_attaches(new_executor, attach, tmp_path):
    """The new client may have no initializer, or a corrected one. Calls that failed have failed."""

    def fail():
        raise ValueError("no calibration")

    with CondorExecutor(access_point="personal", warm=0, session=tmp_path / "session", initializer=fail) as executor:
        assert isinstance(executor.submit(pow, 2, 3).exception(100), BrokenCondorExecutor)
    executor = attach(tmp_path / "session", initializer=print)
    (failed,) = executor.futures.values()
    assert isinstance(failed.exception(100), BrokenCondorExecutor)
    assert executor.submit(pow, 2, 3).result(100) == 8


def test_a_call_that_was_refused_is_not_made_by_who_attaches(attach, tmp_path):
    """Its files were ready before the client knew that the call would be refused."""
    executor = CondorExecutor(access_point="personal", warm=0, session=tmp_path / "session")
    values = executor.map(abs, range(6), buffersize=2)
    assert next(values) == 0
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(values)
    attached = attach(tmp_path / "session")
    assert [future.result(100) for future in attached.futures.values()] == list(range(len(attached.futures)))
    assert len(attached.futures) == 3


def test_calls_that_had_not_been_submitted(client, attach):
    """max_workers delayed them. They are submitted once, with their own submit commands."""
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION, max_workers=1)
        first = executor.submit(call, 0, "go")
        rest = [executor.submit(call, n) for n in range(1, 4)]
        noted = executor.with_options(environment={"NOTE": "kept"}, category="x").submit(shell("echo $NOTE"))
        while first.state != "running":
            time.sleep(0.02)
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    client.kill()
    executor = attach()
    assert executor._max_workers == 1
    client.release()
    *numbers, noted = [future.result() for future in executor.futures.values()]
    assert numbers == [0, 1, 4, 9]
    assert noted.stdout == "kept\n"
    assert client.times_made() == {str(n): 1 for n in range(4)}


def test_calls_of_a_map_that_raised_are_not_made(new_executor, tmp_path):
    """Its arguments raised an error, so nobody has the futures of the calls before it."""
    executor = new_executor(session=tmp_path / "session")

    def items():
        yield from range(5)
        raise OSError("no more to be read")

    with pytest.raises(OSError, match="no more"):
        executor.map(abs, items())
    executor.detach()
    with CondorExecutor.attach(tmp_path / "session") as again:
        assert again.futures == {}


def test_calls_that_wait_for_others(client, attach):
    """The chain continues. Values of another executor are lost with the client, and the error says so."""
    client.start("""
        from concurrent.futures import Future
        stranger = Future()
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        first = executor.submit(call, 2, "go")
        failing = executor.submit(lambda n: n / 0, first)
        children = [executor.submit(lambda a, b: a + b, first, first)]
        children.append(executor.with_options(after=first).submit(call, 5))
        grandchild = executor.submit(lambda values: sum(values), children)
        orphans = [executor.submit(call, stranger), executor.submit(call, failing)]
        while first.state != "running":
            time.sleep(0.02)
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    client.kill()
    futures = list(attach().futures.values())
    client.release()
    first, failing, child, after, grandchild, *orphans = futures
    assert [future.result() for future in (first, child, after, grandchild)] == [4, 8, 25, 33]
    assert isinstance(failing.exception(), ZeroDivisionError)
    for orphan, cause in zip(orphans, (CondorFuturesError, ZeroDivisionError), strict=True):
        with pytest.raises(DependencyError) as caught:
            orphan.result()
        assert type(caught.value.__cause__) is cause


def test_what_was_cancelled_stays_so(client, attach):
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION, max_workers=2)
        running = [executor.submit(call, n, "go") for n in range(2)]
        pending = [executor.submit(call, n) for n in range(2, 4)]
        while any(future.state != "running" for future in running):
            time.sleep(0.02)
        pending[0].cancel()
        running[0].cancel()
        while pending[1].state != "done":
            time.sleep(0.02)
        # Two calls of one job, one of which has its outcome.
        here = executor.with_options(spool=False)
        [half] = [list(some) for some in here._intake.submit_chunks(call, iter([(4,), (5, "never")]), 2, None)]
        outcomes = half[0].bundle.path("outcomes")
        while not (outcomes.exists() and outcomes.stat().st_size):
            time.sleep(0.02)
        for future in half:
            future.cancel()
        while outcomes.with_suffix(".calls").exists():
            time.sleep(0.02)
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    client.kill()
    client.release()
    assert {key: future.result() for key, future in attach().futures.items()} == {"c000001": 1, "c000003": 9}
    assert client.times_made()["2"] == 0


def graceful(n):
    """Finish up on SIGTERM, and return a value."""
    if n:
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
        while not stop:
            time.sleep(0.02)
        time.sleep(3)
    return f"old {n}"


def test_a_job_that_is_still_ending_is_no_other_calls(new_executor, attach, tmp_path):
    """Its calls were cancelled, but it still reports outcomes, in the place where the next client's calls have their
    files.
    """
    executor = new_executor(session=tmp_path / "session", spool=False)
    old = next(iter(executor._intake.submit_chunks(graceful, iter([(0,), (1,)]), 2, None)))
    outcomes = old[0].bundle.path("outcomes")
    until(lambda: outcomes.exists() and outcomes.stat().st_size)  # the first call has its outcome
    before = outcomes.stat().st_size
    assert all(future.cancel() for future in old)
    executor.detach()
    second = attach(executor.session)
    assert second.futures == {}
    new = second.submit(pow, 2, 10)
    assert new.key not in {future.key for future in old}
    assert new.result(60) == 1024
    until(lambda: outcomes.stat().st_size > before)  # the second call has one too
    second.detach()
    third = attach(executor.session)
    assert {key: future.result(60) for key, future in third.futures.items()} == {new.key: 1024}


def test_a_call_fails_of_the_same_as_before(new_executor, attach, tmp_path):
    """The cause is another call that failed, was cancelled, or could not be submitted."""
    executor = new_executor(session=tmp_path / "session")
    failing = executor.submit(lambda: 1 / 0)
    cancelled = executor.with_options(requirements="false").submit(pow, 2, 3)
    refused = executor.submit(print, threading.Lock())
    first, mate = next(iter(executor._intake.submit_chunks(abs, iter([(failing,), (-2,)]), 2, None)))
    children = [executor.submit(abs, cancelled), executor.with_options(after=cancelled).submit(abs, 1)]
    orphan = executor.submit(abs, refused)
    until(lambda: cancelled.state == "idle")
    assert cancelled.cancel()
    assert mate.result(60) == 2
    before = {future.key: str(future.exception(60)) for future in (*children, first, orphan)}
    executor.detach()
    for _ in range(2):
        again = attach(executor.session)
        after = {key: again.futures[key].exception(60) for key in before}
        assert {type(error) for error in after.values()} == {DependencyError}
        assert [str(after[child.key]) for child in children] == [before[child.key] for child in children]
        assert f"the value of the call {failing.key}, an argument of this call, was missing" in str(after[first.key])
        assert f"the call {refused.key} could not be submitted" in str(after[orphan.key])
        assert again.futures[mate.key].result(60) == 2
        again.shutdown()


def test_a_held_job_stays_an_error(client, attach, pool):
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        future = executor.with_options(requirements="false").submit(call, 1)
        while future.state != "idle":
            time.sleep(0.02)
        said(future.job_id)
        time.sleep(600)
    """)
    assert client.process is not None
    assert client.process.stdout is not None
    job_id = client.process.stdout.readline().strip()
    client.kill()
    until(lambda: pool.ads("condor_q", f"ClusterId == {job_id.split('.')[0]} && JobStatus == 1"))  # its files arrived
    pool.run("condor_hold", job_id)
    [future] = attach().futures.values()
    with pytest.raises(JobHeldError, match="condor_hold"):
        future.result()


def test_errors_read_well_without_the_event_log(new_executor, attach, pool, tmp_path):
    """Only the log says which job an outcome belongs to."""
    executor = new_executor(session=tmp_path / "session")
    some = [executor.submit(lambda: 1 / 0), executor.submit(os._exit, 3), executor.submit(pow, 2, 5)]
    for future in some:
        future.exception(60)
    executor.detach()
    until(lambda: pool.queue(executor) == [])
    (executor.session / "event_log").unlink()
    raised, crashed, well = attach(executor.session).futures.values()
    assert well.result(60) == 32
    assert well.job_id is None
    assert str(raised.exception().__cause__).startswith(f"\non {os.uname().nodename}:\nTraceback")
    assert f"exited with status 3 (on {os.uname().nodename})" in str(crashed.exception())


def test_calls_of_which_neither_log_nor_history_knows_are_made_again(new_executor, attach, pool, tmp_path, monkeypatch):
    """Their jobs were removed and left no trace: some sites let nobody read the history."""
    executor = new_executor(session=tmp_path / "session", requirements="false")
    future = executor.submit(pow, 2, 5)
    pool.run("condor_rm", until(lambda: future.job_id))
    assert isinstance(future.exception(60), JobRemovedError)
    executor.detach()
    again = attach(executor.session)
    assert isinstance(again.futures["c000000"].exception(60), JobRemovedError)
    again.detach()
    (executor.session / "event_log").unlink()
    again = attach(executor.session)
    assert isinstance(again.futures["c000000"].exception(60), JobRemovedError)
    again.detach()
    ask = AccessPoint.ask

    def refuse(helper, operation, timeout, **arguments):
        if operation == "past":
            raise AccessPointError("no")
        return ask(helper, operation, timeout, **arguments)

    monkeypatch.setattr(AccessPoint, "ask", refuse)
    again = attach(executor.session).futures["c000000"]
    assert until(lambda: again.job_id) != future.job_id
    assert again.cancel()


def test_attempts_go_on_while_nobody_looks(new_executor, attach, pool, tmp_path):
    """HTCondor makes the attempts."""
    made, flag = tmp_path / "made", tmp_path / "go"

    def fail_once(n):
        while not flag.exists():
            time.sleep(0.02)
        with made.open("a") as file:
            file.write("x")
        if made.read_text() == "x":
            os._exit(7)
        return n * n

    executor = new_executor(session=tmp_path / "session")
    future = executor.with_options(max_retries=1).submit(fail_once, 3)
    until(future.running)
    executor.detach()
    flag.touch()
    until(lambda: [ad["JobStatus"] for ad in pool.queue(executor)] == [4])
    assert made.read_text() == "xx"
    assert attach(tmp_path / "session").futures["c000000"].result(60) == 9
    assert made.read_text() == "xx"


def test_a_job_that_was_held_or_crashed_is_told_the_same_again(new_executor, attach, pool, tmp_path):
    """The next client reports it too, even when the job has left the queue."""
    executor = new_executor(session=tmp_path / "session")
    crashed = executor.submit(shell("kill -9 $PPID"))
    held = executor.with_options(requirements="false", on_hold="wait").submit(pow, 2, 5)
    until(lambda: pool.ads("condor_q", f"JobStatus == 1 && {session_constraint(executor)}"))
    pool.run("condor_hold", held.job_id)
    until(lambda: held.state == "held")
    assert crashed.exception(60).signal == signal.SIGKILL
    executor.detach()
    executor = attach(tmp_path / "session", on_hold="fail")
    told = [str(future.exception(60)) for future in executor.futures.values()]
    executor.shutdown()
    again = [future.exception(60) for future in attach(tmp_path / "session").futures.values()]
    assert [type(error) for error in again] == [JobCrashedError, JobHeldError]
    assert [str(error) for error in again] == told


HELPER = """
import json, sys, time
from condor_futures.access_point.helper import serving


class Schedd:
    def __init__(self, schedd):
        self.schedd = schedd

    def __getattr__(self, name):
        return getattr(self.schedd, name)

    def spool(self, result):
        open("SUBMITTED", "w").close()
        time.sleep(600)


class Performer(serving.Performer):
    def connect(self, *args, **kwargs):
        answer = super().connect(*args, **kwargs)
        self._schedd = Schedd(self._schedd)
        return answer


sys.path[:] = json.loads(sys.stdin.readline())
serving.serve(Performer)
"""


def test_jobs_whose_files_never_arrived(client, attach, tmp_path):
    """Client and helper are killed between submission and spooling. The jobs are removed and submitted again."""
    submitted = tmp_path / "submitted"
    (tmp_path / "helper.py").write_text(HELPER.replace("SUBMITTED", str(submitted)))
    client.start("""
        from condor_futures.access_point import helper_process
        helper_process._HELPER = directory / "helper.py"
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        futures = [executor.submit(call, n) for n in range(3)]
        while not (directory / "submitted").exists():
            time.sleep(0.02)
        said(executor._engine.watcher.access_point._process.pid)
        time.sleep(600)
    """)
    assert client.process is not None
    assert client.process.stdout is not None
    helper = int(client.process.stdout.readline())
    client.kill()
    os.kill(helper, signal.SIGKILL)
    executor = attach()
    assert [future.result() for future in executor.futures.values()] == [0, 1, 4]
    assert client.times_made() == {str(n): 1 for n in range(3)}
    # The same happens once more: the log then has two jobs for each bundle, of which one does not count.
    executor.detach()
    assert [future.result() for future in attach().futures.values()] == [0, 1, 4]


def test_a_submission_that_is_still_under_way_is_waited_for(client, attach):
    """The helper of a killed client continues until its last request is finished."""
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        n = 0
        while n < 50 or not executor._engine.watcher._under_way.effects.submissions.under_way:
            executor.submit(call, n)
            n += 1
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    client.kill()
    values = [future.result() for future in attach().futures.values()]
    assert len(values) >= 50
    assert values == [n * n for n in range(len(values))]
    assert client.times_made() == {str(n): 1 for n in range(len(values))}


def test_detach_leaves_the_work_going_on(new_executor, attach, tmp_path):
    """A session without a directory of its own is kept too, until a client attaches to it."""
    executor = new_executor()
    flag = tmp_path / "go"
    waiting = shell(f"while [ ! -e {flag} ]; do sleep 0.1; done; echo $1")
    futures = [executor.submit(waiting, n) for n in range(2)]
    done = executor.submit(pow, 2, 2)
    assert done.result() == 4
    name = executor.detach()
    assert done.result() == 4
    for future in futures:
        with pytest.raises(CondorFuturesError, match=f"left the session {name}"):
            future.result()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(pow, 2, 2)
    flag.touch()
    again = attach(name)
    assert [future.result() for future in again.futures.values()][2] == 4
    assert [future.result().stdout for future in list(again.futures.values())[:2]] == ["0\n", "1\n"]
    directory = again.session
    assert directory.exists()


def test_a_session_in_use_is_refused(executor, new_executor):
    with pytest.raises(CondorFuturesError, match="is in use in this process"):
        CondorExecutor.attach(executor.session)


def test_a_session_in_use_by_another_process_is_refused(client, attach):
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    with pytest.raises(CondorFuturesError, match=f"is in use by the process {client.process.pid} on"):
        CondorExecutor.attach(client.session)
    client.kill()
    assert attach().futures == {}


def test_a_session_that_is_not_there_is_told(pool, tmp_path):
    for name in ("20000101-000000-00000000", tmp_path / "nothing"):
        with pytest.raises(CondorFuturesError, match="there is no session"):
            CondorExecutor.attach(name)


def test_a_fork_of_the_client_does_not_keep_the_session(client, attach):
    """The user's program may fork, and its children may outlive it."""
    client.start("""
        import os
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        future = executor.submit(call, 3)
        future.result()
        child = os.fork()
        if child == 0:
            os.close(1)
            time.sleep(30)
            os._exit(0)
        said(child)
        time.sleep(600)
    """)
    assert client.process is not None
    assert client.process.stdout is not None
    child = int(client.process.stdout.readline())
    client.kill()
    try:
        assert [future.result() for future in attach().futures.values()] == [9]
    finally:
        os.kill(child, signal.SIGKILL)


def test_values_of_other_executors_that_had_arrived_are_there(client, attach):
    """When a value has been written to the call's file, the call no longer needs the client."""
    client.start("""
        from concurrent.futures import ThreadPoolExecutor
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION, max_workers=1)
        first = executor.submit(call, 1, "go")
        with ThreadPoolExecutor() as threads:
            child = executor.submit(call, threads.submit(int, 6))
        while not (child.bundle.parents == {} and first.state == "running"):
            time.sleep(0.02)
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    client.kill()
    client.release()
    assert [future.result() for future in attach().futures.values()] == [1, 36]


def test_attaching_from_a_thread(client, attach, pool):
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        futures = list(executor.map(call, range(40), chunksize=7))
        said("ready")
        time.sleep(600)
    """)
    client.wait_for("ready")
    client.kill()
    with ThreadPoolExecutor() as threads:
        executor = threads.submit(attach).result()
    assert [future.result() for future in executor.futures.values()] == [n * n for n in range(40)]
    assert client.times_made() == {str(n): 1 for n in range(40)}


def test_held_jobs_keep_their_policy(pool, client, attach):
    """Earlier holds no longer count. The current hold is treated according to the old options, or the new ones."""
    client.start("""
        executor = CondorExecutor(access_point="personal", warm=0, session=SESSION)
        waits = executor.with_options(on_hold="wait").submit(call, 1, "go")
        asks = executor.with_options(on_hold=lambda job: "wait").submit(call, 2, "go")
        released = executor.with_options(on_hold=lambda job: "wait").submit(call, 3, "go")
        said("submitted")
        while any(future.state != "held" for future in (waits, asks, released)):
            time.sleep(0.02)
        said("held")
        while released.state != "running":
            time.sleep(0.02)
        print(released.job_id, flush=True)
        time.sleep(600)
    """)
    client.wait_for("submitted")
    made = {"1", "2", "3"}
    until(lambda: client.made.exists() and set(client.made.read_text().split()) == made)
    jobs = {job["CondorFuturesBundle"]: f"{job['ClusterId']}.{job['ProcId']}" for job in pool.ads("condor_q")}
    pool.run("condor_hold", *(jobs[f"b{number:06d}"] for number in range(3)))
    client.wait_for("held")
    pool.run("condor_release", jobs["b000002"])
    client.wait_for(jobs["b000002"])
    client.kill()
    executor = attach()
    waits, asks, released = executor.futures.values()
    assert isinstance(asks.exception(60), JobHeldError)  # a session does not store a function
    assert (waits.state, released.state) == ("held", "running")
    client.release()
    assert released.result(60) == 9
    executor.detach()

    asked = []
    executor = attach(on_hold=lambda job: asked.append(job) or "release")
    assert next(iter(executor.futures.values())).result(60) == 1
    assert [(job.holds, job.code) for job in asked] == [(1, 1)]
