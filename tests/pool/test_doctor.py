"""`condor-futures doctor` on real pools: each fault gets the right diagnosis.

The other faults are where their pools are: a schedd that refuses us, and a session directory that the access point does
not see, in test_remote.py; an older schedd in test_versions.py; an expired ticket in test_credentials.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from condor_futures import CondorExecutor
from condor_futures.calls import calls_file
from condor_futures.doctor import Level, examination, examine
from condor_futures.doctor.fixes import FIXES
from condor_futures.doctor.probe_judgements import judge_sessions
from condor_futures.personal import PersonalPool
from condor_futures.session.finding import sessions_directory
from condor_futures.sessions import sessions

pytestmark = pytest.mark.pool


def run(*arguments, **environment):
    """Return the command's exit status, its output, and its errors."""
    done = subprocess.run(
        [sys.executable, "-m", "condor_futures.cli", "doctor", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8", **environment},
        stdin=subprocess.DEVNULL,
        timeout=110,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def failures(findings):
    return [finding.name for finding in findings if finding.level is Level.FAILED]


def test_a_healthy_pool(pool):
    """The personal pool is the default, because it runs. Every fact is in the JSON, and nothing stays in the queue."""
    status, text, errors = run("--json", "request_memory=64MB")
    assert status == 0, text + errors
    found = {finding["name"]: finding for finding in json.loads(text)}
    assert [name for name, finding in found.items() if finding["level"] == "failed"] == []
    assert found["personal pool"]["details"]["cores"] == 8
    assert found["versions"]["details"]["schedd"] == pool.personal.release.version
    assert found["permission"]["details"]["method"] == "FS"
    assert found["slots"]["details"]["cores"] == 8
    version = ".".join(map(str, sys.version_info[:3]))
    assert found["Python"]["details"]["python"] == version
    times = found["probe job"]["details"]["seconds"]
    assert 0 < times["match"] < times["total"]
    assert 0 < found["warm jobs"]["details"]["seconds"] < times["total"]
    assert found["event log"]["details"] == {"logged": True}
    assert pool.ads("condor_q", f"ClusterId == {found['probe job']['details']['job_id'].split('.')[0]}") == []


def test_a_job_that_no_slot_suits(pool):
    """The diagnosis comes long before the timeout, in a line that begins with a cross."""
    status, text, _ = run("--timeout", "600", "request_memory=512GB")
    assert status == 1
    [line] = [line for line in text.splitlines() if line.startswith("✗")]
    assert "probe job" in line
    assert "can never run here: " in line
    assert "have 512 GiB of memory" in line
    assert text.endswith("Jobs cannot run yet: 1 of 12 checks failed.\n")


def test_no_right_python_there(pool, monkeypatch):
    monkeypatch.setattr(calls_file, "PythonVersion", "3.99")
    # Another test's hostile job may be filling its session with frames, which take minutes to count.
    monkeypatch.setattr(examination, "sessions", list)
    findings = list(examine("personal"))
    assert failures(findings) == ["Python"]
    [finding] = [finding for finding in findings if finding.name == "Python"]
    assert "has no python3.99 on PATH" in finding.sentence
    assert "use a container_image or requirements" in finding.sentence


def test_no_htcondor_here(release, tmp_path):
    """--fix starts a personal pool, and then jobs run."""
    environment = {"CONDOR_CONFIG": os.devnull, "XDG_STATE_HOME": str(tmp_path)}
    nothing = {"PATH": "/nowhere", "XDG_DATA_HOME": str(tmp_path / "data")}
    status, text, _ = run(**environment, **nothing)
    assert status == 1
    marks = {line[2:20].strip(): line[0] for line in text.splitlines() if line[:2] in ("✓ ", "✗ ", "! ", "- ")}
    assert (marks["HTCondor"], marks["schedd"], marks["probe job"]) == ("!", "✗", "-")
    assert "`condor-futures pool install` installs them" in text
    assert "use `condor-futures pool start` (or --fix)" in text
    try:
        status, text, errors = run("--fix", "--yes", **environment)
        assert status == 0, text + errors
        assert "runs until `condor-futures pool stop`" in errors
        assert text.endswith("Jobs run here.\n")
    finally:
        PersonalPool(tmp_path / "condor_futures" / "pools" / "personal").stop()


def test_without_an_answer_nothing_is_repaired(tmp_path):
    """Standard input is not a terminal, and --yes is missing."""
    environment = {"CONDOR_CONFIG": os.devnull, "XDG_STATE_HOME": str(tmp_path)}
    status, _, errors = run("--fix", **environment)
    assert status == 1
    assert "a personal pool, which runs until `condor-futures pool stop`? [y/N]" in errors
    assert not (tmp_path / "condor_futures" / "pools").exists()


def test_finished_sessions_are_removed(pool, new_executor):
    """One that is in use stays."""
    done = sessions_directory() / "condor_futures-done"
    with CondorExecutor(access_point="personal", warm=0, session=done) as executor:
        executor.submit(abs, -1).result()
    used = new_executor(session=sessions_directory() / "condor_futures-used")
    finding = judge_sessions(sessions())
    assert (finding.level, finding.fix) == (Level.WARNING, "remove sessions")
    assert json.loads((done / "session.json").read_text())["id"] in finding.details["finished"]
    assert "Sessions removed: " in FIXES["remove sessions"].make(None)
    assert (done.exists(), used.session.exists()) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["request_cpu"], "'request_cpu' is not of the form NAME=VALUE"),
        (["log=x"], "log"),
        (["--pool", "cm.invalid"], "--pool needs the name of an access point"),
    ],
)
def test_a_wrong_command_line_is_told(arguments, sentence):
    status, _, errors = run(*arguments)
    assert status in (1, 2)
    assert sentence in errors
    assert "Traceback" not in errors
