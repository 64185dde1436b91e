"""The command line as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shlex
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Column, Table
from support import until

from condor_futures import CondorExecutor, DagExecutor, shell, wait
from condor_futures.cli import output
from condor_futures.execution_point.frames import write_frame
from condor_futures.personal import PersonalPool
from condor_futures.session.session import Session

pytestmark = pytest.mark.pool


def run(*arguments, **environment):
    """Return the command's exit status and its output."""
    done = subprocess.run(
        [sys.executable, "-m", "condor_futures.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        timeout=110,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_pool_is_started_and_stays_until_it_is_stopped(release, tmp_path):
    """start, status and stop each print the state. The exit status of status shows it too."""
    where = ("--directory", tmp_path / "my pool")
    status, text = run("pool", "status", *where)
    assert (status, "not running" in text) == (3, True)
    try:
        status, text = run("pool", "start", "--slots", 2, *where)
        assert status == 0, text
        [setting] = shlex.split(text.partition("export ")[2])
        assert setting.startswith(f"CONDOR_CONFIG={tmp_path}/my pool/")
        status, text = run("pool", "status", *where)
        assert status == 0, text
        assert release.version in text
        with contextlib.closing(PersonalPool(where[1]).start()):
            assert "is stopped; programs that use the pool wait" in run("pool", "stop", *where)[1]
        assert run("pool", "start", *where)[0] == 0
    finally:
        status, text = run("pool", "stop", *where)
    assert (status, text.endswith("is stopped.\n")) == (0, True)
    status, text = run("pool", "stop", *where)
    assert (status, "was not running" in text) == (0, True)


def test_what_the_user_can_mend_is_a_sentence_and_no_traceback(tmp_path):
    """In this test, there is no HTCondor."""
    status, text = run("pool", "start", "--directory", tmp_path / "pool", PATH="/nowhere", XDG_DATA_HOME=str(tmp_path))
    assert status == 1
    assert "condor-futures pool install" in text
    assert "Traceback" not in text


def test_names_in_brackets_are_no_styles(release, tmp_path):
    """A sentence, a table and an error each print the name of a directory unchanged."""
    where = tmp_path / "[red]pool[/red] :smile:"
    for command, expected in (("status", 3), ("stop", 0)):
        status, text = run("pool", command, "--directory", where)
        assert status == expected
        assert str(where) in text.replace("\n", "")
    (tmp_path / "[red]").touch()
    status, text = run("pool", "start", "--directory", tmp_path / "[red]" / "pool")
    assert status == 1
    assert str(tmp_path / "[red]") in text.replace("\n", "")


def test_into_a_pipe_a_line_is_whole(pool, tmp_path):
    """The width of the terminal does not matter. Otherwise, grep would not find the text."""
    directory = tmp_path / ("a" * 90) / "session"
    status, text = run("pool", "status", "--directory", directory, COLUMNS="40")
    assert (status, f"directory  {directory}" in text) == (3, True)
    executor = CondorExecutor(access_point="personal", warm=0, session=directory)
    try:
        waiting = executor.with_options(requirements="false").submit_cluster(abs, 1, count=12)
        running = executor.submit(shell("sleep 600"))
        until(lambda: (running.state, {future.state for future in waiting}) == ("running", {"idle"}))
        status, text = run("status", "--session", executor._engine.session.id, COLUMNS="40")
        assert status == 0, text
        assert f"{waiting[0].job_id} to {waiting[-1].job_id}  " in text
        assert f"  {running.host}  " in text
        assert f"  {directory}    in use by " in run("sessions", directory, COLUMNS="40")[1]
    finally:
        executor.terminate_workers()


def test_on_a_terminal_a_table_is_folded(monkeypatch, capsys):
    """The table loses no text."""
    monkeypatch.setattr(output, "console", Console(force_terminal=True, width=20, color_system=None))
    table = Table(Column("host", overflow="fold"))
    table.add_row("ep17.example.org.and.more")
    output.print_table(table)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) == 20
    assert "ep17.example.org" in printed
    assert ".more" in printed


def test_where_there_is_no_htcondor_the_advice_is_a_command(tmp_path):
    """The advice is not Python code."""
    status, text = run("status", CONDOR_CONFIG=os.devnull, XDG_STATE_HOME=str(tmp_path))
    assert status == 1
    assert "`condor-futures pool start`, then --access-point personal" in text
    assert "access_point=" not in text


def test_install_says_where_htcondor_is(release):
    """It does nothing if HTCondor is installed."""
    status, text = run("pool", "install")
    assert status == 0, text
    assert "HTCondor" in text


def test_version():
    """The command has the usual --version."""
    import condor_futures

    assert run("--version") == (0, f"condor-futures {condor_futures.__version__}\n")


def test_the_demonstration_sweeps_and_draws(pool, tmp_path):
    """The demonstration prints a progress line, a table and a picture."""
    picture = tmp_path / "picture.png"
    status, text = run("demo", "--coarse", "--picture", picture)
    assert status == 0, text
    assert "12/12 done" in text
    assert "97.39%" in text
    assert picture.read_bytes().startswith(b"\x89PNG")


def observe(star, *, filters):
    if star == "Sun":
        raise ValueError("too bright")
    return [star.upper(), *filters]


@pytest.fixture(scope="module")
def looked_at(pool, tmp_path_factory):
    """A kept session with the jobs of three calls: one takes the value of another, and one raises."""
    directory = tmp_path_factory.mktemp("sessions") / "kept"
    with CondorExecutor(access_point="personal", warm=0, session=directory) as executor:
        first = executor.submit(observe, "Vega", filters=["red"])
        futures = [first, executor.submit(observe, "Deneb", filters=first), executor.submit(observe, "Sun", filters=[])]
        wait(futures)
    return directory, [future.job_id for future in futures]


def test_show_prints_the_call_and_the_outcome_of_a_job(looked_at):
    """The command accepts the job's number, and either file."""
    directory, [first, second, third] = looked_at
    status, text = run("show", "--session", directory, first)
    assert status == 0, text
    assert "test_cli.observe('Vega', filters=['red'])" in text
    assert "['VEGA', 'red']" in text
    _, text = run("show", "--session", directory, second)
    assert "observe('Deneb', filters=<value of call c000000>)" in text
    _, text = run("show", "--session", directory, third)
    assert "ValueError: too bright" in text
    status, text = run("show", directory / "bundles" / "000" / "b000000.calls")
    assert (status, "['VEGA'" in text, "observe('Vega'" in text) == (0, False, True)


def test_show_prints_a_job_of_a_dag(pool, tmp_path):
    """DAGMan has the log of its jobs. The log is missing where the executor has its own."""
    with DagExecutor("stars", tmp_path / "stars", access_point="personal") as dag:
        vega = dag.submit(observe, "Vega", filters=["red"])
        dag.run()
        assert vega.result(100) == ["VEGA", "red"]
    status, text = run("show", "--session", tmp_path / "stars", vega.job_id)
    assert status == 0, text
    assert "test_cli.observe('Vega', filters=['red'])" in text
    assert "['VEGA', 'red']" in text
    status, text = run("show", "--session", tmp_path / "stars", "99999.0")
    assert (status, "only the jobs of the DAG's last run" in text) == (1, True)


def test_show_speaks_json(looked_at):
    directory, [_, second, _] = looked_at
    status, text = run("show", "--json", "--session", directory, second)
    assert status == 0, text
    calls, outcomes = json.loads(text)
    assert calls["calls"][0]["kwargs"] == {"filters": "<value of call c000000>"}
    assert outcomes["outcomes"][0]["value"] == "['DENEB', 'VEGA', 'red']"


def test_show_tells_a_long_value_in_short(looked_at, tmp_path):
    directory, _ = looked_at
    session = Session.open(directory)
    path = session.bundle_directory(0) / "b000999.outcomes"
    with path.open("wb") as file:
        header = {"kind": "outcome", "session": session.id, "call": "c000999", "result": "value"}
        write_frame(file, session.secret, header, [pickle.dumps(list(range(3000)))])
    assert "+2990" in run("show", path)[1]
    assert "2999" in run("show", "--full", path)[1]


def test_show_does_not_unpickle_what_is_not_authentic(looked_at, tmp_path):
    """The exit status is 4. The terminal gets no unescaped text from the file."""
    foreign = tmp_path / "b000000.outcomes"
    with foreign.open("wb") as file:
        header = {"kind": "outcome", "call": "\x1b[2Jc000000", "result": "value", "host": "[bold]ep"}
        write_frame(file, bytes(32), header, [pickle.dumps([1, 2, 3])])
    status, text = run("show", foreign)
    assert status == 4
    assert "Not unpickled without --trust: " in text
    assert "no session.json" in text
    assert "<not unpickled>" in text
    assert "\\x1b[2Jc000000" in text
    assert "[bold]ep" in text
    assert "\x1b" not in text
    status, text = run("show", "--trust", foreign)
    assert (status, "[1, 2, 3]" in text) == (0, True)


@pytest.mark.parametrize("what", ["12", "9999.0", "/nowhere/b000000.calls", "/etc/passwd", "/etc/shadow.calls", "/"])
def test_show_says_what_is_wrong_in_a_sentence(what):
    status, text = run("show", what)
    assert status == 1
    assert text.startswith("CondorFuturesError: ")
    assert "Traceback" not in text


def test_profiles_are_listed_with_where_they_are_from(tmp_path):
    """The list marks hidden profiles. An invalid file gets a one-sentence error."""
    user = tmp_path / "condor_futures" / "profiles.toml"
    user.parent.mkdir()
    user.write_text('[cern]\ninherits = "cern"\nrequest_cpus = 2\n[mine]\nspool = false\n')
    status, text = run("profiles", XDG_CONFIG_HOME=str(tmp_path))
    assert status == 0, text
    assert "inherits 'cern'" in text
    assert "request_cpus = 2" in text
    assert "package, hidden by the one above" in text
    assert f"user: {user}" in text
    user.write_text("[")
    status, text = run("profiles", XDG_CONFIG_HOME=str(tmp_path))
    assert status == 1
    assert f"{user} is not valid TOML" in text
    assert "Traceback" not in text
