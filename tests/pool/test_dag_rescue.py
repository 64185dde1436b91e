"""A DAG that fails, is abandoned, killed or submitted by hand still finishes with the right values."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import until

from condor_futures import (
    AccessPointError,
    CancelledError,
    CondorFuturesError,
    DagExecutor,
    DependencyError,
    JobError,
    JobHeldError,
    JobRemovedError,
    wait,
)
from condor_futures.access_point.backoff import Backoff
from condor_futures.access_point.requests import AccessPoint
from condor_futures.dag import dagman, follower

pytestmark = pytest.mark.pool


def jobs_of(pool, dag, universe=None):
    constraint = f'CondorFuturesSession == "{dag._driver.graph.session.id}"'
    ads = pool.ads("condor_q", constraint + (f" && JobUniverse == {universe}" if universe else ""))
    return [f"{ad['ClusterId']}.{ad['ProcId']}" for ad in ads]


def dagman_of(pool, dag):
    """Return the id of the DAGMan job."""
    return until(lambda: jobs_of(pool, dag, universe=7))[0]


def chain(dag, marks, gate):
    """Four calls, one after the other, each of which writes a mark. The third waits until the test opens a gate."""

    def first():
        (marks / f"first-{time.time_ns()}").touch()
        return 1

    def add(name, n):
        (marks / f"{name}-{time.time_ns()}").touch()
        while name == "third" and not gate.exists():
            time.sleep(0.05)
        return n + 1

    futures = [dag.submit(first)]
    for name in ("second", "third", "fourth"):
        futures.append(dag.submit(add, name, futures[-1]))
    return futures


def made(marks):
    return sorted(path.name.split("-")[0] for path in marks.iterdir())


@pytest.fixture
def marks(tmp_path):
    directory = tmp_path / "marks"
    directory.mkdir()
    return directory


def test_written_submitted_by_hand_killed_rescued(pool, new_dag, marks, tmp_path):
    """The test runs condor_submit_dag in another directory, and condor_rm in the middle.

    run() runs only the remaining calls.
    """
    dag = new_dag()
    chain(dag, marks, tmp_path / "gate")
    file = dag.write()
    dag.shutdown()
    with pytest.raises(CancelledError):
        dag.futures[0].result()
    subprocess.run(
        ["condor_submit_dag", str(file)], env=pool.environment, cwd=tmp_path, check=True, capture_output=True
    )
    attached = DagExecutor.attach(dag.directory)
    assert attached.futures[1].result(60) == 2
    until(lambda: "third" in made(marks))
    with pytest.raises(RuntimeError, match="is running"):
        attached.run()
    pool.run("condor_rm", dagman_of(pool, dag))
    third, fourth = attached.futures[2:]
    assert isinstance(third.exception(60), JobRemovedError)
    assert fourth.exception(60).__cause__ is third.exception()
    assert "run() again" in str(fourth.exception())
    (tmp_path / "gate").touch()
    again = attached.run()
    assert [future.result(60) for future in again] == [1, 2, 3, 4]
    assert again[1] is attached.futures[1]
    assert again[2] is not third
    attached.shutdown()
    assert made(marks) == ["first", "fourth", "second", "third", "third"]
    assert len(list(dag.directory.glob("work.dag.rescue*"))) == 1


def test_a_failing_node_is_mended_and_run_again(new_dag, tmp_path):
    """Its descendants run again too, and nothing else. It may fail again."""
    dag = new_dag()

    def count(name):
        with (tmp_path / name).open("a") as file:
            file.write("x")

    def step(name, *needed):
        count(name)
        if (tmp_path / f"{name}.broken").exists():
            raise OSError(f"{name} is broken")
        return f"{name}({','.join(needed)})"

    (tmp_path / "b.broken").touch()
    (tmp_path / "c.broken").touch()
    a = dag.submit(step, "a")
    b = dag.submit(step, "b", a)
    c = dag.submit(step, "c", a)
    d = dag.submit(step, "d", b, c)
    wait(dag.run(), 60)
    assert a.result() == "a()"
    assert [str(f.exception()) for f in (b, c)] == ["b is broken", "c is broken"]
    (tmp_path / "b.broken").unlink()
    _, b2, c2, d2 = dag.run()
    assert b2.result(60) == "b(a())"
    assert str(c2.exception(60)) == "c is broken"
    assert d2.exception(60).__cause__ is c2.exception()
    (tmp_path / "c.broken").unlink()
    assert dag.run()[3].result(60) == "d(b(a()),c(a()))"
    assert {name: len((tmp_path / name).read_text()) for name in "abcd"} == {"a": 1, "b": 2, "c": 3, "d": 1}
    assert isinstance(d.exception(), CondorFuturesError)
    dag.shutdown()
    attached = DagExecutor.attach(dag.directory)
    assert [future.result(10) for future in attached.futures] == [f.result() for f in dag.futures]


def test_the_client_leaves_and_another_comes_back(pool, new_dag, marks, tmp_path):
    """DAGMan continues. A new process finds the existing values, and follows the rest."""
    dag = new_dag()
    futures = chain(dag, marks, tmp_path / "gate")
    dag.run()
    assert futures[1].result(60) == 2
    dag.detach()
    assert futures[3].cancelled()
    assert futures[0].result() == 1
    script = """
import json, sys
from condor_futures import DagExecutor
dag = DagExecutor.attach(sys.argv[1])
first, second, third, fourth = dag.futures
assert second.result(30) == 2
open(sys.argv[2], "w").close()
print(json.dumps([future.result(60) for future in dag.futures]), first.key, third.state)
dag.shutdown()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, dag.directory, tmp_path / "gate"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("] ")[1] == "c000000 done\n"
    assert json.loads(done.stdout.split("] ")[0] + "]") == [1, 2, 3, 4]
    assert made(marks) == ["first", "fourth", "second", "third"]


def test_dagman_is_killed_and_recovers(pool, new_dag, marks, tmp_path):
    """The schedd restarts DAGMan. No call runs twice, and the client notices nothing."""
    dag = new_dag()
    futures = chain(dag, marks, tmp_path / "gate")
    dag.run()
    until(lambda: "third" in made(marks))
    master = psutil.Process(pool.personal.master_pid)
    (dagman,) = [child for child in master.children(recursive=True) if child.name() == "condor_dagman"]
    dagman.send_signal(signal.SIGKILL)
    until(lambda: not dagman.is_running())
    (tmp_path / "gate").touch()
    assert futures[3].result(100) == 4
    assert made(marks) == ["first", "fourth", "second", "third"]


def test_without_a_rescue_dag_values_still_count(pool, new_dag, marks, tmp_path):
    """If a run left only outcomes, jobs run again, but finished calls do not."""
    (tmp_path / "gate").touch()
    dag = new_dag()
    chain(dag, marks, tmp_path / "gate")
    dag.run(local=True)
    dag.shutdown()
    attached = DagExecutor.attach(dag.directory)
    assert [future.result(10) for future in attached.futures] == [1, 2, 3, 4]
    assert [future.result(60) for future in attached.run()] == [1, 2, 3, 4]
    attached.shutdown()
    assert made(marks) == ["first", "fourth", "second", "third"]


def test_nobody_waits_for_a_dag_that_was_written_and_not_submitted(pool, new_dag, tmp_path):
    """A client that attaches before someone submits the DAG would never follow it.

    Waiting raises an error that says so.
    """
    dag = new_dag()
    dag.submit(pow, 2, 3)
    file = dag.write()
    dag.shutdown()
    early = DagExecutor.attach(dag.directory)
    with pytest.raises(RuntimeError, match=r"call run\(\), or attach\(\) once the DAG has been submitted"):
        early.futures[0].result()
    early.shutdown()
    subprocess.run(["condor_submit_dag", str(file)], env=pool.environment, check=True, capture_output=True)
    with DagExecutor.attach(dag.directory) as dag:
        assert dag.futures[0].result(60) == 8


def test_what_failed_on_the_pool_may_be_made_here(pool, new_dag, tmp_path):
    """A client that attaches later has the value, although the older log of DAGMan says that the node failed."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntest -e {tmp_path}/flag\n")
    script.chmod(0o755)
    dag = new_dag()
    future = dag.with_options(pre_script=[script]).submit(pow, 2, 3)
    dag.run()
    assert isinstance(future.exception(60), JobError)
    (tmp_path / "flag").touch()
    assert dag.run(local=True)[0].result(60) == 8
    dag.shutdown()
    with DagExecutor.attach(dag.directory) as dag:
        assert dag.futures[0].result(60) == 8


def test_what_a_post_script_rejects_has_no_value(pool, new_dag, tmp_path):
    """It has no value in this run or the next: the script decides whether the node failed."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ndate >> {tmp_path}/judged\nfalse\n")
    script.chmod(0o755)
    dag = new_dag()
    rejected = dag.with_options(post_script=[script]).submit(pow, 2, 3)
    dag.submit(abs, rejected)
    for run in (1, 2):
        futures = dag.run(local=True)
        assert [type(future.exception(60)) for future in futures] == [JobError, DependencyError]
        assert len((tmp_path / "judged").read_text().splitlines()) == run


def test_part_of_a_dag_that_was_run_here_is_not_run_again(pool, new_dag, marks, tmp_path):
    """Calls that failed on this machine run on the pool, with the existing values."""
    dag = new_dag()
    good = dag.submit(lambda: (marks / "good").touch() or 3)
    bad = dag.submit(lambda n: n + int((tmp_path / "number").read_text()), good)
    dag.run(local=True)
    assert isinstance(bad.exception(60), FileNotFoundError)
    dag.shutdown()
    (marks / "good").unlink()
    (tmp_path / "number").write_text("4")
    with DagExecutor.attach(dag.directory) as dag:
        assert dag.futures[0].result(10) == 3
        with pytest.raises(RuntimeError, match="is not running yet"):
            dag.futures[1].result()
        assert dag.run()[1].result(60) == 7
    assert made(marks) == []


def test_what_is_done_here_is_neither_made_nor_judged_again(pool, new_dag, tmp_path):
    """DAGMan does not repeat it, although a local run leaves no rescue DAG, or only an older one."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho $1 >> {tmp_path}/judged\n")
    script.chmod(0o755)

    def number(name):
        return int((tmp_path / name).read_text())

    dag = new_dag()
    first = dag.with_options(post_script=[script, "$NODE"]).submit(abs, -1)
    second = dag.with_options(post_script=[script, "$NODE"], after=first).submit(number, "2")
    third = dag.with_options(after=second).submit(number, "3")
    fourth = dag.with_options(after=third).submit(number, "4")
    (tmp_path / "2").write_text("2")
    wait(dag.run(local=True))
    assert isinstance(third.exception(), FileNotFoundError)
    wait(dag.run())
    assert isinstance(dag.futures[2].exception(), FileNotFoundError)
    (tmp_path / "3").write_text("3")
    wait(dag.run(local=True))
    assert dag.futures[2].result() == 3
    (tmp_path / "4").write_text("4")
    assert isinstance(fourth.exception(), DependencyError)
    assert [future.result(60) for future in dag.run()] == [1, 2, 3, 4]
    dag.shutdown()
    assert (tmp_path / "judged").read_text().split() == ["b000000", "b000001"]
    done = set(dag._driver.graph.files.rescue.read_text().splitlines())
    assert {"DONE b000000", "DONE b000001", "DONE b000002"} <= done
    with DagExecutor.attach(dag.directory) as attached:
        assert [future.result(10) for future in attached.futures] == [1, 2, 3, 4]


def wait_for(path):
    while not path.exists():
        time.sleep(0.1)
    return 2


def test_a_held_job_is_removed_and_fails_its_node(pool, new_dag, tmp_path):
    """The error has HTCondor's reason, as in an executor, even when nobody waits. The rest continues.

    A job with a periodic_release waits for it, or for a release by hand.
    """
    dag = new_dag()
    stuck = dag.submit(time.sleep, 300)
    child = dag.submit(str, stuck)
    fine = dag.submit(abs, -1)
    flag = tmp_path / "flag"
    waiting = dag.with_options(periodic_release=False).submit(wait_for, flag)
    dag.run()
    held = [stuck, waiting]
    until(lambda: all(future.running() for future in held))
    job_id = stuck.job_id
    dag.detach()
    pool.run("condor_hold", "-reason", "just so", *(future.job_id for future in held))
    until(lambda: job_id not in jobs_of(pool, dag))
    dag = DagExecutor.attach(dag.directory)
    stuck, child, fine, waiting = dag.futures
    assert isinstance(stuck.exception(60), JobHeldError)
    assert "just so" in stuck.exception().reason
    assert child.exception(60).__cause__ is stuck.exception()
    assert fine.result(60) == 1
    assert waiting.state == "held"
    assert [(job.job_id, job.state) for job in dag.jobs()] == [(waiting.job_id, "held")]
    assert 'fillcolor="#e3c1ee"' in dag.dot()
    flag.touch()
    pool.run("condor_release", waiting.job_id)
    assert waiting.result(60) == 2
    dag.shutdown()
    assert dag.jobs() == []


def test_a_job_that_is_held_after_its_outcome_came_back_has_failed(new_dag):
    """Its output file is missing. A local run and an executor also fail the call."""
    dag = new_dag()
    first = dag.with_options(transfer_output_files="never.txt").submit(pow, 2, 2)
    second = dag.submit(pow, first, 2)
    third = dag.with_options(after=second).submit(pow, 3, 3)
    dag.run()
    assert isinstance(first.exception(100), JobHeldError)
    assert second.exception(60).__cause__ is first.exception()
    assert isinstance(third.exception(60), DependencyError)


def test_dagman_on_hold_ends_the_futures(pool, new_dag, tmp_path):
    """The error says what to do. A client that attaches after the release finishes the DAG."""
    dag = new_dag()
    value = dag.submit(wait_for, tmp_path / "flag")
    dag.run()
    until(value.running)
    dagman = dagman_of(pool, dag)
    pool.run("condor_hold", dagman)
    assert isinstance(value.exception(60), JobHeldError)
    assert "release it, then attach" in str(value.exception())
    dag.shutdown()
    # If a job of the scheduler universe is released before its process has ended, it does not start again (25.14).
    until(lambda: "EXITING WITH STATUS" in (dag.directory / "work.dag.dagman.out").read_text())
    pool.run("condor_release", dagman)
    (tmp_path / "flag").touch()
    attached = DagExecutor.attach(dag.directory)
    assert attached.futures[0].result(60) == 2
    attached.shutdown()


def test_terminate_workers_removes_everything(pool, new_dag):
    """It removes DAGMan and the nodes' jobs, and every future ends."""
    dag = new_dag()
    running = dag.submit(time.sleep, 300)
    child = dag.submit(str, running)
    dag.run()
    until(running.running)
    dag.terminate_workers()
    assert isinstance(running.exception(1), JobRemovedError)
    assert child.exception(1).__cause__ is running.exception()
    assert jobs_of(pool, dag) == []
    with pytest.raises(RuntimeError, match="attach to it"):
        dag.run()


def test_a_dag_that_dagman_refuses(new_dag):
    """The error has DAGMan's own words."""
    dag = new_dag()
    future = dag.submit(abs, -1)
    dag.write()
    dag.write = lambda: dag.directory / "work.dag"
    file = dag.directory / "work.dag"
    file.write_text(file.read_text() + "RETRY nobody 3\n")
    dag.run()
    assert isinstance(future.exception(60), JobError)
    assert "nobody" in str(future.exception())


def test_dagman_that_does_not_begin_is_given_up(pool, new_dag):
    """HTCondor would restart it for ever, because DAGMan cannot read a line."""
    dag = new_dag()
    dag.submit(abs, -1)
    config = dag.write().with_name("dagman.config")
    config.write_text(f"{config.read_text()}\nDAGMAN_MAX_JOBS_IDLE = many\n")
    dag.shutdown()
    with DagExecutor.attach(dag.directory) as attached:
        [future] = attached.run()
        error = future.exception(100)
        assert type(error) is JobError
        assert "before it had run any node" in str(error)
        assert "DAGMAN_MAX_JOBS_IDLE (many)" in str(error)
    assert jobs_of(pool, dag) == []


def test_dagman_that_did_not_begin_while_nobody_looked_is_given_up(pool, new_dag):
    """The client finds it in the queue, where HTCondor restarts it for ever. After its removal, the DAG can run."""
    dag = new_dag()
    dag.submit(abs, -1)
    file = dag.write()
    config = file.with_name("dagman.config")
    good = config.read_text()
    config.write_text(f"{good}\nDAGMAN_MAX_JOBS_IDLE = many\n")
    dag.shutdown()
    subprocess.run(["condor_submit_dag", str(file)], env=pool.environment, check=True, capture_output=True)
    log = file.with_name(f"{file.name}.dagman.log")
    until(lambda: log.exists() and log.read_text().count("\n004 (") >= dagman.FALSE_STARTS_LIMIT)
    assert jobs_of(pool, dag) != []
    with DagExecutor.attach(dag.directory) as attached:
        error = attached.futures[0].exception(0)
        assert type(error) is JobError
        assert "DAGMAN_MAX_JOBS_IDLE (many)" in str(error)
        config.write_text(good)
        assert attached.run()[0].result(60) == 1
    assert jobs_of(pool, dag) == []


def test_why_a_node_cannot_be_submitted_is_told(new_dag):
    """The error has condor_submit's words, which are only in DAGMan's log."""
    dag = new_dag(notification="sometimes")
    future = dag.submit(abs, -1)
    dag.run()
    assert "Notification must be" in str(future.exception(100))


def test_a_dag_that_was_moved_runs_only_here(new_dag, tmp_path):
    """Its files name the directory in which the DAG was written, so the jobs of a copy would run in the original
    directory.
    """
    dag = new_dag()
    dag.submit(abs, -1)
    dag.write()
    dag.shutdown()
    moved = DagExecutor.attach(dag.directory.rename(tmp_path / "moved"))
    with pytest.raises(CondorFuturesError, match=r"was written to .*, which its files name"):
        moved.run()
    assert moved.run(local=True)[0].result(30) == 1
    moved.shutdown()
    moved.directory.rename(dag.directory)


def test_what_is_left_can_be_run_as_soon_as_it_is_attached_to(new_dag, tmp_path):
    """DAGMan has ended, so all results are known."""
    dag = new_dag()

    def read():
        return int((tmp_path / "value").read_text())

    failed = dag.submit(read)
    dag.run()
    assert isinstance(failed.exception(60), FileNotFoundError)
    dag.shutdown()
    (tmp_path / "value").write_text("7")
    with DagExecutor.attach(dag.directory) as attached:
        assert attached.futures[0].done()
        assert attached.run()[0].result(60) == 7


def test_what_cannot_be_attached_to(tmp_path, new_dag):
    """The error says why."""
    with pytest.raises(CondorFuturesError, match="there is no session in"):
        DagExecutor.attach(tmp_path)
    dag = new_dag()
    dag.submit(abs, 1)
    with pytest.raises(CondorFuturesError, match="no DAG was written"):
        DagExecutor.attach(dag.directory)
    dag.write()
    attached = DagExecutor.attach(Path(dag.directory))
    with pytest.raises(RuntimeError, match="takes no more calls"):
        attached.submit(abs, 1)
    assert attached.run(local=True)[0].result(30) == 1


def test_a_removal_that_fails_is_made_again(new_dag, monkeypatch):
    """Otherwise, a DAG that is to be removed would run to its natural end."""
    monkeypatch.setattr(follower, "AGAIN", Backoff(0.1, 0.1))
    dag = new_dag()
    future = dag.submit(time.sleep, 300)
    dag.run()
    until(future.running)
    request, refused = AccessPoint.request, []

    def refuse_once(helper, operation, answer, **arguments):
        if operation == "remove" and not refused:
            refused.append(arguments["jobs"])
            answer(None, AccessPointError("it is away"))
        else:
            request(helper, operation, answer, **arguments)

    monkeypatch.setattr(AccessPoint, "request", refuse_once)
    dag.terminate_workers()
    assert isinstance(future.exception(60), JobRemovedError)
    assert refused
