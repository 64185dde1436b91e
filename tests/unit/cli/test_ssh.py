"""A shell where a job runs: the command line that HTCondor's tool is given, and its exit status."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from condor_futures.access_point.location import Location
from condor_futures.cli import app
from condor_futures.errors import CondorFuturesError

module = importlib.import_module("condor_futures.cli.ssh")  # the package has the command by this name

TOOL = """#!{python}
import json, os, sys
json.dump([sys.argv[1:], os.environ["CONDOR_CONFIG"]], open({noted!r}, "w"))
sys.stderr.write({stderr!r})
sys.exit({status})
"""


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command with a tool that notes what it is given, prints, and exits."""
    noted = tmp_path / "noted"

    def run(*arguments, state="running", stderr="", status=0, location=None):
        for name in ("condor_ssh_to_job", "ssh"):
            (tmp_path / name).write_text(
                TOOL.format(python=sys.executable, noted=str(noted), stderr=stderr, status=status)
            )
            (tmp_path / name).chmod(0o755)
        where = location or Location(environment={"PATH": str(tmp_path), "CONDOR_CONFIG": "personal"})
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("CONDOR_CONFIG", "local")
        monkeypatch.setattr(module, "locate", lambda *_: where)
        monkeypatch.setattr(module, "connected", lambda _: contextlib.nullcontext())
        jobs = [SimpleNamespace(state=state)] if state else []
        monkeypatch.setattr(module, "query_jobs", lambda *_, **__: jobs)
        done = CliRunner().invoke(app, ["ssh", *arguments])
        return done, json.loads(noted.read_text()) if noted.exists() else None

    return run


@pytest.mark.parametrize("status", [0, 7])
def test_the_command_is_passed_on_with_its_options_and_its_status(run, status):
    done, given = run("16.0", "ls", "-l", "--pool", status=status)
    assert (done.exit_code, given) == (status, [["16.0", "ls", "-l", "--pool"], "personal"])


def test_the_access_point_is_named(run):
    _, given = run("16", location=Location("cm.example.org", "ap1@example.org"))
    assert given == [["-name", "ap1@example.org", "-pool", "cm.example.org", "16"], "local"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"state": "idle"}, "only a running job has a shell, and the job 16.0 is idle"),
        ({"state": None}, "and the job 16.0 is not in the queue"),
        ({"stderr": "(Use -auto-retry to keep trying periodically.)\n", "status": 1}, r"may have no sshd .* forbid it"),
    ],
    ids=str,
)
def test_why_there_is_no_shell(run, options, words):
    done, given = run("16.0", **options)
    assert isinstance(done.exception, CondorFuturesError)
    assert (given is not None) == ("stderr" in options)
    with pytest.raises(CondorFuturesError, match=words):
        raise done.exception


def test_a_job_id_is_checked(run):
    done, _ = run("b000001")
    assert "is not a job id" in str(done.exception)
