"""What a DAG is, and runs on this machine, without HTCondor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from support import until

from condor_futures import (
    CancelledError,
    CondorFuturesError,
    DagExecutor,
    DependencyError,
    JobHeldError,
    JobRemovedError,
    PayloadError,
    as_completed,
    procid,
    sessions,
    shell,
    wait,
)
from condor_futures.dag import local
from condor_futures.dag.dagman import Dagman
from condor_futures.dag.files import DagFiles
from condor_futures.session.session import Session
from condor_futures.state_machine import states


def note(path):
    with Path(path).open("a") as file:
        file.write("x\n")


def times(path):
    return len(path.read_text().split()) if path.exists() else 0


def test_input_files_are_copied(new_dag, tmp_path):
    """As HTCondor transfers them: what a call does to them is its own affair."""
    for name in ("plain", "tree/leaf", "contents/within", "other/plain"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)

    def change():
        seen = {str(path): path.read_text() for path in Path().rglob("*") if path.name in ("plain", "leaf", "within")}
        for path in seen:
            Path(path).write_text("changed")
        return seen

    inputs = [f"{tmp_path}/{name}" for name in ("plain", "tree", "contents/", "other/plain")]
    dag = new_dag(transfer_input_files=inputs)
    future = dag.submit(change)
    dag.run(local=True)
    assert future.result(60) == {"plain": "other/plain", "tree/leaf": "tree/leaf", "within": "contents/within"}
    assert (tmp_path / "plain").read_text() == "plain"
    assert (tmp_path / "tree/leaf").read_text() == "tree/leaf"


def test_what_only_htcondor_can_fetch_fails_its_node(new_dag):
    """With a sentence."""
    dag = new_dag()
    future = dag.with_options(transfer_input_files="https://example.org/data").submit(abs, 1)
    fine = dag.submit(abs, -1)
    dag.run(local=True)
    with pytest.raises(CondorFuturesError, match=r"https://example\.org/data is for HTCondor to transfer"):
        future.result(60)
    assert fine.result(60) == 1


def test_environment_is_that_of_the_job(new_dag):
    """HTCondor's own signs included."""
    dag = new_dag(environment={"PRICE": "$5 $(x)", "WORDS": 'it\'s "so"'})
    future = dag.submit(lambda: (os.environ["PRICE"], os.environ["WORDS"]))
    dag.run(local=True)
    assert future.result(60) == ("$5 $(x)", 'it\'s "so"')


def test_macros_are_replaced_as_condor_submit_does(new_dag, tmp_path, monkeypatch):
    """Each job of a cluster has its own; what only HTCondor knows fails the node."""
    monkeypatch.setenv("SITE", "north")
    dag = new_dag(environment='"WHERE=$ENV(SITE) BUNDLE=$(bundle)"')

    def make(number):
        Path("out.txt").write_text(f"{number} {os.environ['WHERE']} {os.environ['BUNDLE']}")

    remaps = {"out.txt": f"{tmp_path}/$(Process).txt"}
    outputs = dag.with_options(transfer_output_files=["out.txt"], transfer_output_remaps=remaps)
    cluster = outputs.submit_cluster(make, procid, count=2)
    unknown = dag.with_options(environment='"WHERE=$$(Machine)"').submit(make, 0)
    dag.run(local=True)
    wait(cluster, 60)
    assert [(tmp_path / f"{n}.txt").read_text() for n in range(2)] == ["0 north b000000", "1 north b000001"]
    assert "$$(Machine) is for HTCondor to replace" in str(unknown.exception(60))


@pytest.mark.parametrize("name", ["session", "event_log", "runner", "bundles"])
def test_any_name_will_do(new_dag, name):
    """That of a file of the session too."""
    dag = new_dag(name)
    future = dag.submit(pow, 2, 3)
    dag.run(local=True)
    assert future.result(60) == 8
    dag.shutdown()
    assert [future.result(0) for future in DagExecutor.attach(dag.directory).futures] == [8]


@pytest.mark.parametrize("name", ["x y", "it's", 'a"b', "a$(X)b", "a$$(b)", "a@(X)", "a|b", "a\\", "a\\/b"])
def test_directories_that_dagman_cannot_take_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="choose another one"):
        DagExecutor("work", f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


def test_a_map_adds_all_its_calls_or_none(new_dag):
    """So that it can be corrected, and made again."""
    dag = new_dag()
    with pytest.raises(PayloadError, match="cannot be pickled"):
        dag.map(repr, [1, 2, threading.Lock()])
    assert dag.futures == []
    dag.map(repr, [1, 2, 3])
    assert len(dag.futures) == 3


def test_what_cannot_be_called_is_refused(new_dag):
    """At once: a DAG may be run much later."""
    dag = new_dag()
    with pytest.raises(TypeError, match=r"'str' object is not callable; .* submit\(shell\('ls -l'\)\)"):
        dag.submit("ls -l")
    with pytest.raises(TypeError, match=r"not submit\(shell, 'ls -l'\)"):
        dag.map(shell, ["ls -l"])
    assert dag.futures == []


def test_calls_may_come_after_a_map(new_dag):
    """Though its results are not there yet."""
    dag = new_dag()
    values = dag.map(abs, [-1, -2, -3], chunksize=2)
    last = dag.with_options(after=values).submit(pow, 2, 3)
    assert list(dag._driver.graph.parents([last])[0].parents) == dag._driver.graph.parents(values.futures)
    dag.run(local=True)
    assert last.result(60) == 8


def test_output_of_the_run_before_is_not_mixed_up_with_that_of_this_one(new_dag, tmp_path):
    """The calls of one job share a file, which the next run overwrites."""
    dag = new_dag()

    def read(path):
        print("read", path.name)
        return path.read_text()

    (tmp_path / "one").write_text("1")
    one, two = dag.map(read, [tmp_path / "one", tmp_path / "two"], chunksize=2).futures
    dag.run(local=True)
    assert isinstance(two.exception(60), FileNotFoundError)
    assert (one.stdout(), two.stdout()) == ("read one\n", "read two\n")
    (tmp_path / "two").write_text("2")
    again = dag.run(local=True)
    assert [future.result(60) for future in again] == ["1", "2"]
    assert again[0] is one
    assert [future.stdout() for future in (one, two, again[1])] == ["", "", "read two\n"]


def test_output_file_that_was_not_made_fails_its_job(new_dag, tmp_path):
    """As HTCondor would hold it; one that has failed by itself fails as ever. Both are tried again."""
    dag = new_dag(transfer_output_files=["made.txt"], retries=1)

    def forget(error):
        note(tmp_path / f"times{error}")
        if error:
            raise ValueError(error)
        return 1

    returns, raises = dag.submit(forget, ""), dag.submit(forget, "wrong")
    child = dag.submit(abs, returns)
    dag.run(local=True)
    with pytest.raises(JobHeldError, match=r"code 12, subcode 2\): an output file cannot be brought back: .*made\.txt"):
        returns.result(60)
    assert isinstance(raises.exception(60), ValueError)
    assert child.exception(60).__cause__ is returns.exception()
    assert (times(tmp_path / "times"), times(tmp_path / "timeswrong")) == (2, 2)


def test_job_that_is_ended_has_made_no_output_file(new_dag):
    """Which is no fault of its own."""
    dag = new_dag(transfer_output_files=["made.txt"])
    future = dag.submit(time.sleep, 300)
    dag.run(local=True)
    until(future.running)
    dag.terminate_workers()
    assert isinstance(future.exception(60), JobRemovedError)


def test_limits_of_a_dag_that_has_been_run_are_in_its_file(new_dag):
    """Where DAGMan reads them: to set them here would change nothing."""
    dag = new_dag()
    dag.categories["adder"] = 2
    dag.submit(abs, 1)
    dag.run(local=True)
    assert dag.categories == {"adder": 2}
    with pytest.raises(RuntimeError, match=r"the lines MAXJOBS in /.*/work\.dag"):
        dag.categories["adder"] = 3
    with pytest.raises(RuntimeError, match="MAXJOBS"):
        del dag.categories["adder"]
    other = dag.categories.copy()
    other["adder"] = 4
    assert dag.categories == {"adder": 2}


def test_what_is_complete_is_not_run_again(new_dag, tmp_path):
    """Neither calls nor scripts; so a program that attaches and runs can be started again and again."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho x >> {tmp_path}/prepared\n")
    script.chmod(0o755)
    dag = new_dag()
    future = dag.with_options(pre_script=script).submit(note, tmp_path / "made")
    dag.run(local=True)
    assert future.result(60) is None
    assert dag.run(local=True) == [future]
    dag.shutdown()
    with DagExecutor.attach(dag.directory) as again:
        assert [future.result(0) for future in again.run(local=True)] == [None]
    assert times(tmp_path / "prepared") == times(tmp_path / "made") == 1


def test_calls_that_are_cancelled_before_their_turn_are_not_made(new_dag, tmp_path):
    """There is a turn: as many nodes run as there are workers."""
    dag = new_dag(max_workers=1)

    def held(mark):
        note(mark)
        while not (tmp_path / "go").exists():
            time.sleep(0.02)

    futures = [dag.submit(held, tmp_path / f"{n}") for n in range(3)]
    dag.run(local=True)
    until(lambda: times(tmp_path / "0"))
    assert [future.running() for future in futures] == [True, False, False]
    assert [future.state for future in futures] == ["running", "pending", "pending"]
    assert futures[1].cancel()
    (tmp_path / "go").touch()
    assert futures[2].result(60) is None
    assert [times(tmp_path / f"{n}") for n in range(3)] == [1, 0, 1]
    with pytest.raises(CancelledError):
        futures[1].result(0)


def test_who_attaches_has_as_many_workers(new_dag, tmp_path):
    """As the DAG was made with."""
    dag = new_dag(max_workers=1)
    dag.map(lambda mark: note(mark) or until((tmp_path / "go").exists), [tmp_path / "0", tmp_path / "1"])
    dag.write()
    dag.shutdown()
    with DagExecutor.attach(dag.directory) as again:
        futures = again.run(local=True)
        until(lambda: times(tmp_path / "0"))
        assert [future.running() for future in futures] == [True, False]
        (tmp_path / "go").touch()


def test_terminating_ends_what_runs(new_dag, tmp_path):
    """Jobs and scripts; what has ended keeps its value."""
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho x >> {tmp_path}/prepared\nexec sleep 600\n")
    script.chmod(0o755)
    dag = new_dag(max_workers=3, retries=3)
    first = dag.submit(abs, -1)
    calls = dag.with_options(after=first)
    job = calls.submit(lambda: note(tmp_path / "made") or time.sleep(600))
    scripted = calls.with_options(pre_script=script).submit(abs, -2)
    last = dag.with_options(after=job).submit(abs, -3)
    dag.run(local=True)
    until(lambda: times(tmp_path / "made") and times(tmp_path / "prepared"))
    dag.terminate_workers()
    assert first.result(0) == 1
    for future in (job, scripted, last):
        with pytest.raises(JobRemovedError, match="the DAG was stopped"):
            future.result(0)
    assert times(tmp_path / "made") == times(tmp_path / "prepared") == 1


def ended(*files):
    """Whether the processes whose numbers are in *files* are no more."""

    def runs(pid):
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return not any(runs(int(file.read_text())) for file in files)


def test_terminating_ends_what_jobs_and_scripts_have_started(new_dag, tmp_path, monkeypatch):
    """What a shell runs; and what would rather not end is killed."""
    monkeypatch.setattr(local, "GRACE", 0.1)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntrap '' TERM\nsleep 600 & echo $! > {tmp_path}/two\nwait\n")
    script.chmod(0o755)
    dag = new_dag(max_workers=2)
    dag.submit(shell(f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/one; wait"))
    dag.with_options(pre_script=script).submit(abs, -1)
    dag.run(local=True)
    files = tmp_path / "one", tmp_path / "two"
    until(lambda: all(file.exists() and file.read_text() for file in files))
    dag.terminate_workers()
    until(lambda: ended(*files))


def test_what_a_job_leaves_behind_ends_with_it(new_dag, tmp_path):
    """As under HTCondor."""
    dag = new_dag()
    future = dag.submit(shell(f"sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path}/left"))
    dag.run(local=True)
    assert future.result(60).returncode == 0
    until(lambda: ended(tmp_path / "left"))


def test_cancelling_ends_a_job_that_nobody_wants_any_more(new_dag, tmp_path):
    """One with another call goes on; what is cancelled is not tried again."""
    dag = new_dag(max_workers=2, retries=3)

    def held(mark):
        note(mark)
        while not (tmp_path / "go").exists():
            time.sleep(0.02)

    alone = dag.submit(held, tmp_path / "alone")
    first, second = dag.map(held, [tmp_path / "first", tmp_path / "second"], chunksize=2).futures
    after = dag.with_options(after=alone).submit(abs, -1)
    dag.run(local=True)
    until(lambda: times(tmp_path / "alone") and times(tmp_path / "first"))
    assert alone.cancel()
    assert first.cancel()
    assert isinstance(after.exception(60), DependencyError)
    assert not second.done()
    (tmp_path / "go").touch()
    assert second.result(60) is None
    assert times(tmp_path / "alone") == 1


def test_a_script_that_ends_has_its_calls_made(tmp_path):
    """As with the standard library's executors."""
    script = f"""
from condor_futures import DagExecutor
dag = DagExecutor("work", {str(tmp_path / "work")!r}, max_workers=1)
last = 2
for _ in range(3):
    last = dag.submit(pow, last, 2)
dag.run(local=True)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert [future.result(0) for future in DagExecutor.attach(tmp_path / "work").futures] == [4, 16, 256]


def test_jobs_of_a_cluster_run_side_by_side(new_dag, tmp_path):
    """As many as there are workers."""

    def meet(number):
        (tmp_path / f"{number}").touch()
        until(lambda: all((tmp_path / f"{n}").exists() for n in range(3)))
        return number

    dag = new_dag(max_workers=3)
    futures = dag.submit_cluster(meet, procid, count=3)
    dag.run(local=True)
    assert [future.result(60) for future in futures] == [0, 1, 2]


@pytest.mark.parametrize("look", [wait, lambda futures: next(as_completed(futures))])
def test_nobody_waits_for_a_dag_that_does_not_run(new_dag, look):
    """All ways to wait say so; and the futures are none the worse for it."""
    dag = new_dag()
    futures = [dag.submit(abs, -1), dag.submit(abs, -2)]
    with pytest.raises(RuntimeError, match="the DAG does not run yet"):
        look(futures)
    dag.run(local=True)
    assert {future.result() for future in wait(futures).done} == {1, 2}


def test_two_clients_do_not_run_a_dag_at_once(new_dag, tmp_path):
    """They would write the same files."""
    dag = new_dag()
    dag.submit(lambda: until((tmp_path / "go").exists))
    dag.write()
    early = DagExecutor.attach(dag.directory)
    dag.run(local=True)
    for local_too in (True, False):
        with pytest.raises(RuntimeError, match=r"this process runs the DAG, by run\(local=True\)"):
            early.run(local=local_too)
    with pytest.raises(CondorFuturesError, match="attach to it when that has ended"):
        DagExecutor.attach(dag.directory)
    (tmp_path / "go").touch()
    dag.shutdown()
    assert DagExecutor.attach(dag.directory).futures[0].result(0)


def test_a_callback_may_run_what_is_left(new_dag, tmp_path):
    """Though the run that it belongs to has not quite ended."""
    dag = new_dag()
    future = dag.submit((tmp_path / "there").read_text)

    def again(_):
        (tmp_path / "there").write_text("at last")
        dag.run(local=True)

    future.add_done_callback(again)
    dag.run(local=True)
    until(lambda: dag.futures != [future])
    assert dag.futures[0].result(60) == "at last"
    dag.shutdown()
    assert DagExecutor.attach(dag.directory).futures[0].result(0) == "at last"


def test_a_dag_that_was_shut_down_is_in_use_no_more(new_dag):
    """Run or not."""

    def state(directory):
        return {info.directory: info.state for info in sessions(directory)}[directory]

    for run in (False, True):
        dag = new_dag()
        dag.submit(abs, -1)
        if run:
            dag.run(local=True)
        assert state(dag.directory) == "in use"
        dag.shutdown()
        assert state(dag.directory) == ("finished" if run else "left")


def test_ctrl_c_ends_a_local_run(tmp_path):
    """What a terminal sends, it sends to all processes."""
    script = f"""
import time
from pathlib import Path
from condor_futures import DagExecutor
with DagExecutor("work", {str(tmp_path / "work")!r}, max_workers=2) as dag:
    for n in range(6):
        dag.submit(lambda n=n: Path({str(tmp_path)!r}, f"made{{n}}").touch() or time.sleep(600))
    dag.run(local=True)
    print(dag.futures[0].result())
"""
    client = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(tmp_path.glob("made*"))) == 2)
    os.killpg(client.pid, signal.SIGINT)
    _, stderr = client.communicate(timeout=60)
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert stderr.count("Traceback") == 1
    assert len(list(tmp_path.glob("made*"))) == 2


def test_ctrl_c_ends_a_script_that_waits_for_its_calls_at_its_end(tmp_path):
    """With all that they have started."""
    script = f"""
from condor_futures import DagExecutor, shell
dag = DagExecutor("work", {str(tmp_path / "work")!r}, max_workers=1)
for n in range(2):
    dag.submit(shell("echo $$ > {tmp_path}/$1; sleep 600"), n)
dag.run(local=True)
"""
    client = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    until(lambda: (tmp_path / "0").exists() and (tmp_path / "0").read_text())
    time.sleep(0.5)  # until it waits
    client.send_signal(signal.SIGINT)
    client.wait(60)
    until(lambda: ended(tmp_path / "0"))
    assert not (tmp_path / "1").exists()


def test_a_picture_shows_dollars_as_they_are(new_dag, tmp_path, monkeypatch):
    """And not as mathematics."""
    monkeypatch.setenv("PATH", str(tmp_path))  # without Graphviz
    dag = new_dag()
    dag.submit(shell("gzip -d $1_ | awk '{print $2}'"), 1)
    drawn = dag.draw(tmp_path / "graph.svg").read_text()
    assert "$1_ | awk '{print $2}'" in drawn


def test_a_dagman_that_leaves_again_and_again_is_over_when_it_leaves(tmp_path):
    """Not when it runs once more, as its log may say in the same breath; one that has come to its nodes is not over."""
    files = DagFiles(tmp_path, "work")
    dagman = Dagman(files, "7.0")
    once = [states.Executing("7.0", "ap1"), states.Evicted("7.0")]
    for event in [*once * 4, once[0]]:
        dagman.handle(event)
    assert dagman.end is None
    for event in (once[1], once[0]):
        dagman.handle(event)
    assert dagman.end == states.Evicted("7.0")
    assert "left 5 times before it had run anything" in str(dagman.why(dagman.end))
    files.status.touch()
    again = Dagman(files, "7.0")
    for event in once * 9:
        again.handle(event)
    assert again.end is None


def test_a_look_from_elsewhere_leaves_a_dag_where_it_was_run(new_dag):
    """What is wrong with the argument is told first."""
    dag = new_dag()
    dag.submit(abs, -1)
    dag.write()
    dag._driver.graph.session.keep(schedd=("cm", "ap1"))
    dag.shutdown()
    with pytest.raises(TypeError, match="access_point"):
        DagExecutor.attach(dag.directory, access_point=5)
    DagExecutor.attach(dag.directory, access_point="personal").shutdown()
    assert Session.open(dag.directory).settings["schedd"] == ["cm", "ap1"]
