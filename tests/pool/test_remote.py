"""A remote access point: spooling to it, following jobs without a common file system, retrieving over the network."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

import pytest
from remote_pool import client_of, remote_pool
from support import session_constraint, until

from condor_futures import (
    AccessPointError,
    CondorExecutor,
    DagExecutor,
    JobCrashedError,
    JobHeldError,
    JobLostError,
    JobRemovedError,
    purge,
)
from condor_futures.access_point.backoff import Backoff
from condor_futures.access_point.requests import AccessPoint
from condor_futures.doctor import Level, examine
from condor_futures.watching import queue_looks, retrievals

pytestmark = pytest.mark.pool


@pytest.fixture(scope="module", name="remote")
def fixture_remote(release):
    """A pool that does not see the client's files."""
    with remote_pool(release, hidden=True) as remote, client_of(remote):
        yield remote


@pytest.fixture(scope="module", name="executor")
def fixture_executor(remote):
    """One executor for all tests that leave it unchanged."""
    with CondorExecutor(access_point=remote.access_point) as executor:
        yield executor
    assert remote.queue(executor) == []


@pytest.fixture(name="new_executor")
def fixture_new_executor(remote):
    made = []

    def make(**options):
        made.append(CondorExecutor(access_point=remote.access_point, **options))
        return made[-1]

    yield make
    for executor in made:
        executor.shutdown()
        assert remote.queue(executor) == []


def test_values_come_back(remote, executor):
    """The access point has not seen any of the session's files."""
    assert list(executor.map(pow, range(20), itertools.repeat(2))) == [n * n for n in range(20)]
    assert (executor.session / "event_log").read_bytes() == b""


def test_only_the_jobs_that_take_a_shared_object_get_it(executor):
    handle = executor.share(b"shared")
    calls = [executor.submit(lambda name, *_: Path(name).exists(), handle.name, *more) for more in ([handle], [])]
    assert executor.submit(bytes.decode, handle).result() == "shared"
    assert [call.result() for call in calls] == [True, False]


def test_an_exception_comes_back_as_itself(executor):
    with pytest.raises(ZeroDivisionError) as caught:
        executor.submit(lambda: 1 / 0).result()
    assert "<lambda>" in str(caught.value.__cause__)


def test_futures_follow_their_jobs(remote, executor):
    """State and host come from the queue, which has the host a moment later than the state."""
    future = executor.submit(time.sleep, 3)
    until(lambda: future.state == "idle")
    until(future.running)
    assert future.state == "running"
    assert future.result() is None
    cluster = future.job_id.partition(".")[0]
    (ad,) = until(lambda: remote.ads("condor_history", f"ClusterId == {cluster}"))
    assert ad["LastRemoteHost"].endswith(f"@{future.host}")


def test_the_host_of_a_call_that_was_never_seen_running(executor):
    """Even if calls are shorter than the interval of the queries, the queue knows where they ran."""
    futures = [executor.submit(pow, n, 2) for n in range(8)]
    assert [future.result() for future in futures] == [n * n for n in range(8)]
    assert {future.host for future in futures} == {os.uname().nodename}


def test_a_crash_names_the_signal(remote, executor):
    """The signal may kill the call's process, or the whole job."""
    error = executor.submit(lambda: os.kill(os.getpid(), signal.SIGKILL)).exception()
    assert isinstance(error, JobCrashedError)
    assert error.signal == signal.SIGKILL

    def kill_the_supervisor():
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    error = executor.submit(kill_the_supervisor).exception()
    assert isinstance(error, (JobCrashedError, JobHeldError))
    assert error.signal == signal.SIGKILL or error.code == 12


def test_a_hold_and_a_removal_from_outside_carry_htcondors_words(remote, executor):
    """One comes from the queue, and the other from the history."""
    held, removed, idle = executor.submit(time.sleep, 300), executor.submit(time.sleep, 300), None
    idle = executor.with_options(requirements="false").submit(pow, 2, 2)
    until(lambda: held.running() and removed.running() and idle.state == "idle")
    remote.run("condor_hold", "-reason", "because", "-subcode", "42", held.job_id)
    remote.run("condor_rm", "-reason", "no more", removed.job_id)
    remote.run("condor_rm", idle.job_id)
    error = held.exception()
    assert isinstance(error, JobHeldError)
    assert (error.code, error.subcode, error.job_id) == (1, 42, held.job_id)
    assert "because" in error.reason
    error = removed.exception()
    assert isinstance(error, JobRemovedError)
    assert "no more" in error.reason
    assert "condor_rm" in idle.exception().reason
    until(lambda: not [ad for ad in remote.queue(executor) if ad["JobStatus"] != 4])


def test_cancelling_a_running_call_removes_its_job(remote, executor):
    future = executor.submit(time.sleep, 300)
    until(future.running)
    assert future.cancel()
    until(lambda: not [ad for ad in remote.queue(executor) if ad["JobStatus"] == 2])


def test_many_calls_and_their_counts(executor, caplog):
    """The counts add up all the time. Jobs that leave the queue during a retrieval cause no errors."""
    values = [executor.submit(pow, n, 2) for n in range(60)]
    before = sum(executor.counts().values())
    seen = set()
    while not all(value.done() for value in values):
        seen.add(sum(executor.counts().values()))
        time.sleep(0.01)
    assert seen <= {before}
    assert [value.result() for value in values] == [n * n for n in range(60)]
    assert "retrying:" not in caplog.text


def test_dependencies(executor):
    """A value goes from the spool directory of one job, through the client, to the next job."""
    square = executor.submit(pow, 3, 2)
    total = executor.submit(sum, [square, executor.submit(pow, 4, 2)])
    assert total.result() == 25
    failed = executor.submit(lambda: 1 / 0)
    assert isinstance(executor.submit(abs, failed).exception().__cause__, ZeroDivisionError)


def test_shutdown_leaves_nothing_behind(remote, new_executor):
    """The queue and the spool directory are empty, even after cancelled and held jobs."""
    executor = new_executor()
    done = [executor.submit(pow, n, 2) for n in range(5)]
    running, held = executor.submit(time.sleep, 300), executor.submit(time.sleep, 300)
    until(lambda: running.running() and held.running())
    clusters = {future.job_id.partition(".")[0] for future in [*done, running, held]}
    remote.run("condor_hold", held.job_id)
    assert isinstance(held.exception(), JobHeldError)
    running.cancel()
    executor.shutdown()
    assert [future.result() for future in done] == [n * n for n in range(5)]
    assert remote.queue(executor) == []
    left = [path.name for path in (remote.personal.directory / "spool").rglob("cluster*")]
    assert not [name for name in left if name.partition(".")[0].removeprefix("cluster") in clusters]


def test_a_schedd_that_stands_still_for_a_while(remote, new_executor):
    """The schedd is stopped for five seconds. In the end, all results are there."""
    executor = new_executor()
    futures = [executor.submit(lambda n: time.sleep(0.5) or n, n) for n in range(20)]
    until(lambda: futures[0].job_id)
    (schedd,) = remote.pids("condor_schedd")
    os.kill(schedd, signal.SIGSTOP)
    try:
        more = [executor.submit(pow, n, 2) for n in range(5)]
        time.sleep(5)
    finally:
        os.kill(schedd, signal.SIGCONT)
    assert [future.result() for future in futures] == list(range(20))
    assert [future.result() for future in more] == [n * n for n in range(5)]


def test_a_schedd_that_dies_and_comes_back(remote, new_executor):
    """Its master starts another schedd at another address, and its jobs continue."""
    executor = new_executor()
    futures = [executor.submit(lambda n: time.sleep(5) or n, n) for n in range(4)]
    until(lambda: all(future.running() for future in futures))
    (schedd,) = remote.pids("condor_schedd")
    os.kill(schedd, signal.SIGKILL)
    more = [executor.submit(pow, n, 2) for n in range(5)]
    assert [future.result() for future in futures] == list(range(4))
    assert [future.result() for future in more] == [n * n for n in range(5)]
    assert remote.pids("condor_schedd") != [schedd]


def test_a_removal_that_fails_is_made_again(remote, new_executor, caplog):
    """The schedd is down when a running call is cancelled, and nobody waits for it to return."""
    executor = new_executor()
    future = executor.submit(time.sleep, 300)
    until(future.running)
    executor._engine.watcher.access_point.patience = 0
    (schedd,) = remote.pids("condor_schedd")
    os.kill(schedd, signal.SIGKILL)
    future.cancel()
    until(lambda: "retrying:" in caplog.text)
    until(lambda: remote.pids("condor_schedd") != [schedd] and remote.personal.status().jobs)
    until(lambda: not remote.ads("condor_q", f"{session_constraint(executor)} && JobStatus != 3"))


def test_without_spooling_the_error_says_that_files_are_not_seen(new_executor):
    """The job cannot start without its directory."""
    error = new_executor(spool=False).submit(pow, 2, 2).exception()
    assert isinstance(error, JobHeldError)
    assert "spool=True" in str(error)


# Errors while an executor is made.


def test_an_unknown_name_is_answered_with_those_that_are_known(remote):
    """The error also names the nearest one."""
    with pytest.raises(AccessPointError, match=f"did you mean {remote.schedd}") as caught:
        CondorExecutor(access_point=(remote.collector, "ap2@remote.example"))
    assert "\n" not in str(caught.value)


def test_a_collector_that_is_not_there(remote):
    with pytest.raises(AccessPointError, match=r"collector 127\.0\.0\.1:9 does not answer: Connection refused"):
        CondorExecutor(access_point=("127.0.0.1:9", remote.schedd))


def test_a_name_without_a_pool(remote):
    """If no pool is configured, the argument has to name one."""
    with pytest.raises(AccessPointError, match=r"pass a pair, \(pool, name\)"):
        CondorExecutor(access_point=remote.schedd)


def test_a_client_that_is_not_let_in(remote, monkeypatch, tmp_path):
    """The client has no token."""
    monkeypatch.setenv("_CONDOR_SEC_TOKEN_DIRECTORY", str(tmp_path))
    with pytest.raises(AccessPointError, match="does not accept how you authenticate"):
        CondorExecutor(access_point=remote.access_point)


def test_the_doctor_says_that_the_session_directory_is_not_seen(remote):
    """Jobs run nevertheless. Their own logs tell how long each step took."""
    found = {finding.name: finding for finding in examine(remote.access_point)}
    assert {name for name, finding in found.items() if finding.level is not Level.OK} == {
        "credentials",
        "event log",
        "warm jobs",
    }
    assert found["event log"].level is Level.WARNING
    assert "does not see the session directory (it is another machine" in found["event log"].sentence
    assert "the schedd would have to be on this machine" in found["warm jobs"].sentence
    assert found["permission"].details["method"] == "IDTOKENS"
    times = found["probe job"].details["seconds"]
    assert None not in times.values()
    assert times["match"] < times["total"]


def test_jobs_that_left_the_queue_while_nobody_looked(remote):
    """No event log says so, but the access point has a history."""

    def crash():
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    with CondorExecutor(access_point=remote.access_point) as executor:
        removed = executor.with_options(requirements="false").submit(pow, 2, 4)
        until(lambda: removed.state == "idle")
        crashed = executor.submit(crash)
        assert isinstance(crashed.exception(), (JobCrashedError, JobHeldError))
        cancelled = executor.with_options(requirements="false").submit(pow, 2, 5)
        until(lambda: cancelled.state == "idle")
        assert cancelled.cancel()
        until(lambda: len(remote.queue(executor)) == 1)
        session = executor.detach()
    remote.run("condor_rm", "-reason", "no more", removed.job_id)
    until(lambda: not remote.queue(executor))
    with CondorExecutor.attach(session) as again:
        gone = again.futures[removed.key].exception(60)
        assert isinstance(gone, JobRemovedError)
        assert "no more" in gone.reason
        assert type(again.futures[crashed.key].exception(60)) is type(crashed.exception())
        assert len(again.futures) == 2
        again.terminate_workers()


def test_a_pool_without_a_port_is_not_the_personal_one(pool, monkeypatch):
    """Its configuration may even be the client's: a call would run in the wrong place."""
    monkeypatch.setenv("CONDOR_CONFIG", pool.environment["CONDOR_CONFIG"])
    with pytest.raises(AccessPointError, match=r"collector 127\.0\.0\.1 does not answer: Connection refused"):
        CondorExecutor(access_point=("127.0.0.1", "somebody"))


def test_a_session_stays_with_its_schedd(remote, monkeypatch, tmp_path):
    """The environment determines which schedd is local.

    A client that attaches or purges may have another environment.
    """
    monkeypatch.setenv("_CONDOR_COLLECTOR_HOST", remote.collector)
    monkeypatch.setenv("_CONDOR_SCHEDD_HOST", remote.schedd)
    executor = CondorExecutor(session=tmp_path / "session")
    first = executor.submit(pow, 2, 3)
    assert first.result() == 8
    second = executor.with_options(requirements="false").submit(pow, 2, 4)
    until(lambda: second.state == "idle" and len(remote.queue(executor)) == 1)
    executor.detach()
    monkeypatch.setenv("_CONDOR_COLLECTOR_HOST", "127.0.0.1:9")
    monkeypatch.setenv("_CONDOR_SCHEDD_HOST", "ap2@remote.example")
    again = CondorExecutor.attach(tmp_path / "session")
    assert again.futures[first.key].result() == 8
    again.detach()
    assert len(remote.queue(executor)) == 1
    assert purge(tmp_path / "session") == 1
    assert remote.queue(executor) == []


def test_a_job_that_left_no_trace_is_lost(remote, executor):
    """Neither the queue nor the history knows it."""
    future = executor.submit(time.sleep, 300)
    until(future.running)
    helper = executor._engine.watcher.access_point._process.pid
    os.kill(helper, signal.SIGSTOP)  # so that it does not query while there is still something to see
    try:
        remote.run("condor_rm", future.job_id)
        until(lambda: not remote.queue(executor) and remote.ads("condor_history", session_constraint(executor)))
        (remote.personal.directory / "spool/history").rename(remote.personal.directory / "spool/old_history")
    finally:
        os.kill(helper, signal.SIGCONT)
    error = future.exception()
    assert isinstance(error, JobLostError)
    assert error.job_id == future.job_id


def test_the_queue_is_asked_politely(remote, new_executor, monkeypatch):
    """One client makes one query for all jobs, further and further apart while nothing happens."""
    monkeypatch.setattr(queue_looks, "LOOK_SHORTEST", 0.2)  # 1 s
    monkeypatch.setattr(queue_looks, "LOOK_SHARE", 0.5)  # of the time since something happened; 0.1
    asked = []
    request = AccessPoint.request

    def record(self, operation, answer, **arguments):
        if operation == "look":
            asked.append((time.monotonic(), len(arguments["jobs"])))
        request(self, operation, answer, **arguments)

    monkeypatch.setattr(AccessPoint, "request", record)
    executor = new_executor(requirements="false")
    futures = list(executor._intake.submit_chunks(pow, itertools.repeat((2, 2), 20), 1, None))
    try:
        until(lambda: [jobs for _, jobs in asked].count(20) >= 7)  # before, some jobs may not be in the queue yet
    finally:
        for (future,) in futures:
            future.cancel()
    of_all = [at for at, jobs in asked if jobs == 20][:7]
    pauses = [later - earlier for earlier, later in itertools.pairwise(of_all)]
    assert min(pauses) >= 0.2
    assert pauses[-1] > 0.4  # nothing has happened for more than a second


# Another pool, which sees the client's files.


@pytest.fixture(scope="module", name="neighbour")
def fixture_neighbour(release):
    # The policy is that of many sites: everyone may read, without authentication.
    with remote_pool(release, hidden=False, ALLOW_READ="*", SEC_READ_AUTHENTICATION="OPTIONAL") as neighbour:
        yield neighbour


def test_an_access_point_that_sees_the_session_writes_its_log(neighbour):
    """The client reads that log, and does not query the queue."""
    with client_of(neighbour), CondorExecutor(access_point=neighbour.access_point) as executor:
        future = executor.submit(time.sleep, 1)
        until(future.running)
        assert executor._engine.watcher._under_way.effects.queue_looks.log_speaks
        assert b"Job executing on host" in (executor.session / "event_log").read_bytes()
        assert future.result() is None
        assert list(executor.map(pow, range(20), itertools.repeat(2))) == [n * n for n in range(20)]
    assert neighbour.queue(executor) == []


def test_a_client_that_may_look_but_not_submit(neighbour, monkeypatch, tmp_path):
    """The error comes at once, not at the first submission."""
    with client_of(neighbour):
        monkeypatch.setenv("_CONDOR_SEC_TOKEN_DIRECTORY", str(tmp_path))
        with pytest.raises(AccessPointError, match="answers, but does not accept jobs from you"):
            CondorExecutor(access_point=neighbour.access_point)
        found = {finding.name: finding for finding in examine(neighbour.access_point)}
    assert [name for name, finding in found.items() if finding.level is Level.FAILED] == ["permission"]
    assert "the schedd answers, but does not accept jobs from you" in found["permission"].sentence
    assert "you have no token: `condor_token_fetch`" in found["permission"].sentence
    assert found["probe job"].level is Level.NOTE


def test_a_token_that_expires_costs_no_call(neighbour, monkeypatch, caplog, tmp_path):
    """Everyone may read the queue, so the client sees jobs end. Their outcomes have to wait for another token."""
    monkeypatch.setattr(retrievals, "AGAIN", Backoff(0.02, 0.32))
    flag = tmp_path / "flag"

    def wait():
        while not flag.exists():
            time.sleep(0.05)
        return "value"

    with client_of(neighbour), CondorExecutor(access_point=neighbour.access_point) as executor:
        futures = [executor.submit(wait) for _ in range(2)]
        until(lambda: all(future.running() for future in futures))
        helper = executor._engine.watcher.access_point
        helper.patience = 0.5
        [token] = Path(os.environ["_CONDOR_SEC_TOKEN_DIRECTORY"]).iterdir()
        token.rename(tmp_path / "token")
        os.kill(helper._process.pid, signal.SIGKILL)  # it had authenticated, which is valid for some time
        flag.touch()
        pause = executor._engine.watcher._under_way.effects.retrievals._pause
        until(lambda: pause.failures > retrievals.ATTEMPTS)
        assert "jobs could not be retrieved; retrying" in caplog.text
        assert "authentication failed" in caplog.text
        assert not any(future.done() for future in futures)
        helper.patience = 60.0
        late = executor.submit(pow, 2, 3)
        (tmp_path / "token").rename(token)
        assert [future.result(60) for future in futures] == ["value"] * 2
        assert late.result(60) == 8
    assert neighbour.queue(executor) == []


def test_a_dag_stays_with_its_schedd(neighbour, monkeypatch, tmp_path):
    """The DAG stays with the schedd that ran it, even if another one is local for the client that attaches."""
    gate = tmp_path / "gate"

    def wait(power):
        while not gate.exists():
            time.sleep(0.05)
        return power + 1

    with client_of(neighbour):
        with monkeypatch.context() as there:  # on the access point itself, where DAGMan runs
            there.setenv("CONDOR_CONFIG", str(neighbour.personal.config_file))
            there.setenv("PATH", neighbour.environment["PATH"])
            there.setenv("_CONDOR_COLLECTOR_HOST", neighbour.collector)
            dag = DagExecutor("work", tmp_path / "work")
            first = dag.submit(pow, 2, 3)
            dag.submit(wait, first)
            dag.run()
            assert first.result(60) == 8
            dag.detach()
        with DagExecutor.attach(tmp_path / "work") as again:
            assert until(again.jobs)
            gate.touch()
            assert again.futures[1].result(60) == 9


def test_an_access_point_that_sees_the_session_needs_no_spooling(neighbour):
    with client_of(neighbour), CondorExecutor(access_point=neighbour.access_point, spool=False) as executor:
        assert list(executor.map(pow, range(20), itertools.repeat(2))) == [n * n for n in range(20)]
    assert neighbour.queue(executor) == []


@pytest.mark.parametrize("spool", [True, False])
def test_a_log_that_cannot_be_written_is_silent_until_it_can(neighbour, spool):
    """The client follows its jobs by the queue and, if they leave it at once, by the history."""
    with client_of(neighbour), CondorExecutor(access_point=neighbour.access_point, spool=spool) as executor:
        queue = executor._engine.watcher._under_way.effects.queue_looks
        log = executor.session / "event_log"
        log.chmod(0o400)
        futures = [executor.submit(pow, n, 2) for n in range(3)]
        error = executor.submit(lambda: 1 / 0).exception()
        assert isinstance(error, ZeroDivisionError)
        assert [future.result() for future in futures] == [0, 1, 4]
        removed = executor.submit(time.sleep, 300)
        until(removed.running)
        assert not queue.log_speaks
        assert log.read_bytes() == b""
        neighbour.run("condor_rm", "-reason", "no more", removed.job_id)
        assert isinstance(removed.exception(), JobRemovedError)
        assert "no more" in removed.exception().reason
        log.chmod(0o600)
        assert executor.submit(pow, 2, 2).result() == 4
        assert queue.log_speaks
    assert neighbour.queue(executor) == []
