"""The command line, as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.pool


def run(*arguments, **environment):
    """The command's exit status, and what it printed."""
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
    """start, status, stop: each says what is the case, and status by its exit status too."""
    where = ("--directory", tmp_path / "pool")
    status, text = run("pool", "status", *where)
    assert (status, "not running" in text) == (3, True)
    try:
        status, text = run("pool", "start", "--slots", 2, *where)
        assert status == 0, text
        assert f"CONDOR_CONFIG={tmp_path}/pool" in text
        status, text = run("pool", "status", *where)
        assert status == 0, text
        assert release.version in text
    finally:
        status, text = run("pool", "stop", *where)
    assert (status, "is stopped" in text) == (0, True)
    status, text = run("pool", "stop", *where)
    assert (status, "was not running" in text) == (0, True)


def test_what_the_user_can_mend_is_a_sentence_and_no_traceback(tmp_path):
    """Here: there is no HTCondor."""
    status, text = run("pool", "start", "--directory", tmp_path / "pool", PATH="/nowhere", XDG_DATA_HOME=str(tmp_path))
    assert status == 1
    assert "condor-futures pool install" in text
    assert "Traceback" not in text


def test_install_says_where_htcondor_is(release):
    """And does nothing when it is there."""
    status, text = run("pool", "install")
    assert status == 0, text
    assert "HTCondor" in text


def test_version():
    """As everywhere."""
    import condor_futures

    assert run("--version") == (0, f"condor-futures {condor_futures.__version__}\n")


def test_the_demonstration_sweeps_and_draws(pool, tmp_path):
    """A progress line, a table, a picture."""
    picture = tmp_path / "picture.png"
    status, text = run("demo", "--picture", picture)
    assert status == 0, text
    assert "48/48 done" in text
    assert "97.39%" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
