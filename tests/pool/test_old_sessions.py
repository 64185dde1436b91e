"""Sessions that an older version wrote can be inspected, attached to, finished and purged.

The sessions are in ``tests/old_sessions``. The script ``make.py`` there says which version wrote them, and lists their
calls. Their pickles hold names such as ``condor_futures.runner.value_of_call``, which this version has to find.
"""

from __future__ import annotations

import cmath
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from condor_futures import (
    CondorExecutor,
    CondorFuturesError,
    DagExecutor,
    DependencyError,
    JobCrashedError,
    JobLostError,
    RemoteTraceback,
    ShellError,
    procid,
    purge,
    sessions,
    wait,
)
from condor_futures.inspection import Placeholder, inspect_file

pytestmark = pytest.mark.pool

KEPT = Path(__file__).parent.parent / "old_sessions"
#: The directory that they were made in. The files of the DAG and all tracebacks name it.
MADE_IN = "/var/tmp/cf"
#: The Python that made them. The runner tries it first.
MADE_BY = f"{MADE_IN}/condor_futures/.venv/bin/python"

#: Functions and classes that travel by value hold bytecode, which differs between minor versions of Python. A job also
#: refuses calls that a client with another minor version has pickled.
with_bytecode = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the sessions hold bytecode of Python 3.11",
)


def copy_of(name, directory):
    """Copy a session to *directory*, with the modes that its client gave to the files."""
    copy = Path(shutil.copytree(KEPT / name, directory / name, copy_function=shutil.copyfile))
    # git does not keep these modes, and a session with a secret that others can read is refused. Owners need no change:
    # the copies belong to this user, and session.json has "owner": null, which means that jobs run as the same user.
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o700 if path.is_dir() or path.name == "runner" else 0o600)
    return copy


def replace_in(path, old, new):
    path.write_bytes(path.read_bytes().replace(old.encode(), str(new).encode()))


@pytest.fixture
def sweep(tmp_path):
    """The session of an executor. It needs no change: session.json and the calls do not name its directory."""
    return copy_of("sweep", tmp_path)


@pytest.fixture
def analysis(tmp_path):
    """The session of a DAG. Its files name the directory that it was made in; attach() needs no change to them."""
    copy = copy_of("analysis", tmp_path)
    # The jobs of a DAG run the runner that is there. It tries the client's Python first, then python3.11 and python3 on
    # the PATH, which need not be there. (The shell script is followed by a zip file, which may begin anywhere.)
    replace_in(copy / "runner", MADE_BY, sys.executable)
    return copy


@pytest.fixture(scope="module")
def attached(pool, tmp_path_factory):
    """The executor that has attached to the session, once all calls have ended."""
    directory = copy_of("sweep", tmp_path_factory.mktemp("attached"))
    with CondorExecutor.attach(directory, access_point="personal") as executor:
        wait(executor.futures.values())
        yield executor
    purge(directory)
    assert not directory.exists()


def bundle(session, number, kind):
    return session / "bundles" / "000" / f"b{number:06d}.{kind}"


def run(*arguments):
    """Run condor-futures, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "condor_futures.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# The content of the files.


def test_sessions_are_listed(sweep, analysis):
    found = {session.directory: session for session in sessions(sweep.parent)}
    left, dag = found[sweep], found[analysis]
    assert (left.state, left.access_point, left.dag, left.client, left.pid) == ("left", "personal", None, "ep1", None)
    assert (left.calls, left.ended) == (40, 20)  # without the one that was cancelled
    assert (dag.state, dag.access_point, dag.dag, dag.calls, dag.ended) == ("left", "personal", "analysis", 11, 10)


@with_bytecode
@pytest.mark.parametrize("name", ["sweep", "analysis"])
def test_every_file_is_authentic_and_unpickled(name, tmp_path):
    session = copy_of(name, tmp_path)
    paths = [path for kind in ("calls", "outcomes") for path in session.glob(f"bundles/*/*.{kind}")]
    assert len(paths) > 10
    for path in paths:
        inspection = inspect_file(path)
        assert inspection.distrust is None
        parts = [part for call in inspection.calls for part in (call.function, call.args)]
        parts += [outcome.value for outcome in inspection.outcomes]
        assert parts or path.name in ("b000008.outcomes", "b000035.outcomes")
        assert not any(isinstance(part, Placeholder) for part in parts), (path, parts)


def test_calls_are_inspected(sweep):
    [call] = inspect_file(bundle(sweep, 0, "calls")).calls
    assert (call.key, call.function, call.args, call.kwargs) == ("c000000", pow, (2, 10), {})
    inspection = inspect_file(bundle(sweep, 13, "calls"))
    assert (inspection.session, inspection.bundle, inspection.python) == (sessions(sweep)[0].id, "b000013", "3.11")
    assert [(call.key, call.function, call.args) for call in inspection.calls] == [
        ("c000013", divmod, (7, 2)),
        ("c000014", divmod, (8, 3)),
        ("c000015", divmod, (9, 4)),
    ]


def test_a_shell_command_and_a_number_in_its_cluster_are_inspected(sweep):
    [call] = inspect_file(bundle(sweep, 4, "calls")).calls
    assert (call.function.command, call.args) == ('echo "$1 and $2"; echo careful >&2', ("ape", "bee"))
    numbered = [inspect_file(bundle(sweep, number, "calls")).calls[0] for number in (10, 11, 12)]
    assert [call.args for call in numbered] == [(0, 2), (1, 2), (2, 2)]


def test_calls_that_wait_for_others_are_inspected(sweep):
    """The client had already passed on the value of a call that had ended."""
    inspection = inspect_file(bundle(sweep, 20, "calls"))
    call = inspection.calls[-1]
    assert (call.function, repr(call.args)) == (math.sqrt, "(<value of call c000000>,)")
    [given] = inspection.outcomes
    assert (given.key, given.result, given.value) == ("c000000", "value", 1024)
    waiting = inspect_file(bundle(sweep, 22, "calls"))
    assert repr(waiting.calls[-1].args) == "([<value of call c000023>, 5],)"
    assert list(waiting.outcomes) == []


@with_bytecode
def test_what_travels_by_value_is_inspected(sweep):
    calls = {
        call.key: call
        for path in sweep.glob("bundles/*/*.calls")
        for call in inspect_file(path).calls
        if call.key != "initializer"
    }
    assert calls["c000026"].function(30) == 832040
    assert calls["c000026"].function.cache_parameters() == {"maxsize": 32, "typed": False}
    assert calls["c000027"].function("ape") == "thing ape"
    assert calls["c000027"].function(7) == "number 7"
    [hit] = calls["c000029"].args
    assert (type(hit).__qualname__, hit.channel, hit.charge) == ("Hit", 2, 8)
    module, name = calls["c000039"].args
    assert (module.__name__, name, module.GAIN) == ("detector", "GAIN", 2)
    [initializer, _] = inspect_file(bundle(sweep, 20, "calls")).calls
    assert (initializer.key, initializer.function.__name__, initializer.args) == ("initializer", "calibrate", (3,))


def test_outcomes_are_inspected(sweep):
    [outcome] = inspect_file(bundle(sweep, 3, "outcomes")).outcomes
    assert (outcome.key, outcome.result, outcome.value, outcome.host) == ("c000003", "value", Path("/data/run7"), "ep1")
    [failed] = inspect_file(bundle(sweep, 5, "outcomes")).outcomes
    assert (failed.result, type(failed.value)) == ("exception", ZeroDivisionError)
    assert f'File "{MADE_IN}/make.py"' in failed.traceback
    [failed] = inspect_file(bundle(sweep, 6, "outcomes")).outcomes
    assert (type(failed.value), failed.value.returncode) == (ShellError, 3)
    [crashed] = inspect_file(bundle(sweep, 7, "outcomes")).outcomes
    assert (crashed.result, crashed.header["signal"], crashed.value) == ("crashed", 9, None)


def test_the_command_line_shows_calls_and_outcomes(sweep, analysis):
    shown = json.loads(run("show", "--json", bundle(sweep, 0, "calls")))
    assert shown[0]["calls"] == [
        {"call": "c000000", "name": None, "function": "pow", "args": ["2", "10"], "kwargs": {}, "authentic": True}
    ]
    assert "ZeroDivisionError: 1 by nothing" in run("show", bundle(sweep, 5, "outcomes"))
    assert "shell('echo $((6 * 7))')()" in run("show", bundle(analysis, 6, "calls"))
    assert "value on ep1" in run("show", bundle(analysis, 6, "outcomes"))


def test_a_job_is_found_by_its_id(sweep):
    """In the event log of the session, which the access point wrote."""
    shown = json.loads(run("show", "--json", "--session", sweep, "9.0"))
    assert [one["bundle"] or Path(one["path"]).name for one in shown] == ["b000000", "b000000.outcomes"]
    assert shown[1]["outcomes"][0]["value"] == "1024"


# The executor's session.


def test_a_session_is_purged_that_nobody_attached_to(pool, sweep):
    """Before the other tests: all copies have the same id, so it would remove the jobs of their executor."""
    assert purge(sweep) == 0
    assert not sweep.exists()


def test_all_calls_have_futures_but_the_one_that_was_cancelled(attached):
    assert list(attached.futures) == [f"c{number:06d}" for number in range(41) if number != 36]


def results(executor, *numbers):
    return [executor.futures[f"c{number:06d}"].result() for number in numbers]


def failure(executor, number):
    return executor.futures[f"c{number:06d}"].exception()


def test_finished_calls_have_their_values(attached):
    assert results(attached, 0, 1, 2, 3) == [1024, 0.75, 1 + 2j, Path("/data/run7")]
    assert results(attached, 10, 11, 12) == [0, 1, 4]  # a cluster, whose calls took their numbers
    assert results(attached, 13, 14, 15) == [(3, 1), (2, 2), (2, 1)]  # of one job
    assert results(attached, 16, 17) == [-17, 17]  # the second took the value of the first
    assert results(attached, 18, 19) == [(1, 3), 11]  # after the initializer
    assert attached.futures["c000000"].job_id == "9.0"


def test_a_finished_shell_command_has_its_output(attached):
    [done] = results(attached, 4)
    assert (done.args, done.returncode) == ('echo "$1 and $2"; echo careful >&2', 0)
    assert (done.stdout, done.stderr) == ("ape and bee\n", "careful\n")
    future = attached.futures["c000004"]
    assert (future.stdout(), future.stderr()) == ("ape and bee\n", "careful\n")


def test_failed_calls_have_their_exceptions(attached):
    raised = failure(attached, 5)
    assert (type(raised), str(raised)) == (ZeroDivisionError, "1 by nothing")
    assert isinstance(raised.__cause__, RemoteTraceback)
    assert f'File "{MADE_IN}/make.py"' in str(raised.__cause__)
    assert "in divide" in str(raised.__cause__)
    raised = failure(attached, 6)
    assert isinstance(raised, ShellError)
    assert (raised.returncode, raised.cmd, raised.stderr) == (3, "echo about to fail >&2; exit 3", "about to fail\n")
    assert isinstance(raised.__cause__, RemoteTraceback)
    crashed = failure(attached, 7)
    assert isinstance(crashed, JobCrashedError)
    assert crashed.signal == 9


@with_bytecode
def test_values_that_travelled_by_value_can_be_used(attached):
    hit, scale = results(attached, 8, 9)
    assert (type(hit).__qualname__, hit.channel, hit.energy) == ("Hit", 5, 40)
    assert scale(3) == 30000


def test_calls_whose_jobs_are_in_no_queue_any_more_are_lost(attached):
    """One was running and one was idle when the client was killed. The queue of this pool has neither."""
    for number in (20, 21):
        lost = failure(attached, number)
        assert isinstance(lost, JobLostError)
        assert lost.job_id is not None
    dependent = failure(attached, 25)
    assert isinstance(dependent, DependencyError)
    assert dependent.__cause__ is failure(attached, 20)


@with_bytecode
def test_calls_that_were_not_submitted_yet_are_made_now(attached):
    assert results(attached, 22, 23, 24) == [32.0, 9, 9]  # with values of other calls
    assert results(attached, 31)[0].stdout == "1,2,[3],"
    assert results(attached, 32, 33) == [1, 2]  # a cluster
    assert results(attached, 34, 35) == [(3, 2), (3, 3)]  # of one job
    assert results(attached, 37) == [None]  # whose result was not wanted


@with_bytecode
def test_what_travels_by_value_works_in_the_jobs_that_are_submitted_now(attached):
    assert results(attached, 26, 27) == [832040, "number 7"]
    assert results(attached, 28) == [43]  # the initializer's offset counts
    assert results(attached, 29, 30) == ["hit of channel 2", 30000]
    assert results(attached, 39, 40) == [2, (2, 43)]
    raised = failure(attached, 38)  # of a class that its job is run again for
    assert (type(raised), str(raised)) == (ZeroDivisionError, "7 by nothing")


def test_the_executor_takes_further_calls(attached):
    future = attached.submit(cmath.sqrt, -1)
    assert future.key == "c000041"
    assert future.result() == 1j
    assert [future.result() for future in attached.submit_cluster(abs, procid, count=2)] == [0, 1]


# The DAG.


def check_ended(futures):
    """Assert what became of the calls of the DAG when DAGMan ran it."""
    assert [future.key for future in futures] == [f"c{number:06d}" for number in range(11)]
    assert [future.result() for future in futures[:6]] == [32, 0, 1, 4, 37, 8]
    assert futures[6].result().stdout == "42\n"
    assert [future.result() for future in futures[9:]] == [(3, 1), (2, 2)]
    failed, futile = futures[7].exception(), futures[8].exception()
    assert (type(failed), str(failed)) == (ZeroDivisionError, "37 by nothing")
    assert isinstance(failed.__cause__, RemoteTraceback)
    assert isinstance(futile, DependencyError)
    assert futile.__cause__ is failed


def test_values_and_failures_of_a_dag_are_there(analysis):
    with DagExecutor.attach(analysis) as dag:
        check_ended(dag.futures)
        assert dag.name == "analysis"
        assert "b000007 -> b000008" in dag.dot()


def test_a_dag_in_another_directory_is_not_run_by_dagman(analysis):
    """Its files name the directory that it was written to, which is not this one."""
    with DagExecutor.attach(analysis) as dag, pytest.raises(CondorFuturesError):
        dag.run()


def in_place(analysis):
    """Change the DAG as if it had been made where it is, and correct the environment of the call that failed."""
    # DAGMan and condor_submit_dag read the directory from the DAG, its submit descriptions and its configuration, and
    # run() compares it with the one in the manifest (analysis.dag.json). All of these are text.
    for path in analysis.iterdir():
        if path.is_file() and path.name != "runner":
            replace_in(path, f"{MADE_IN}/analysis", analysis)
            replace_in(path, "DENOMINATOR=0", "DENOMINATOR=2")
    return analysis


@with_bytecode
@pytest.mark.parametrize("local", [True, False])
def test_the_rest_of_a_dag_is_run(pool, analysis, local):
    """DAGMan continues from the rescue DAG. The jobs run the runner of the old version."""
    with DagExecutor.attach(in_place(analysis)) as dag:
        check_ended(dag.futures)
        before = dag.futures
        after = dag.run(local=local)
        assert [future.result() for future in after[7:9]] == [18.5, "thing 18.5"]
        assert after[:7] == before[:7]
        assert after[9:] == before[9:]
    with DagExecutor.attach(analysis) as dag:
        assert dag.futures[8].result() == "thing 18.5"


def test_a_dag_is_purged(analysis):
    """By force, because a DAG's jobs are DAGMan's."""
    with pytest.raises(CondorFuturesError):
        purge(analysis)
    assert purge(analysis, force=True) == 0
    assert not analysis.exists()
