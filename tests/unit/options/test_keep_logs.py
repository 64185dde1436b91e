"""``keep_logs`` names a directory, which is there once it is taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from condor_futures.errors import CondorFuturesError
from condor_futures.options.keep_logs import log_directory


def test_home_is_said_with_a_tilde(tmp_path, monkeypatch):
    """A profile has no other way to name it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert log_directory("~/logs") == tmp_path / "logs"
    assert (tmp_path / "logs").is_dir()


def test_a_directory_is_made_with_those_above_it(tmp_path, monkeypatch):
    """The path stays valid when the program changes its working directory."""
    monkeypatch.chdir(tmp_path)
    assert log_directory("a/b") == log_directory(Path("a/b")) == tmp_path / "a/b"
    assert (tmp_path / "a/b").is_dir()
    assert log_directory(None) is None


@pytest.mark.parametrize("given", [3, "", ["a"], b"a", True])
def test_what_is_no_path_is_refused(given):
    with pytest.raises(TypeError, match=r"^keep_logs must be a directory, as str or Path, not "):
        log_directory(given)


def test_a_home_that_nobody_has_is_told():
    with pytest.raises(CondorFuturesError, match=r"^keep_logs: '~nobody-of-this-name/logs' cannot be expanded"):
        log_directory("~nobody-of-this-name/logs")


def test_what_cannot_be_a_directory_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CondorFuturesError, match=r"the directory .*/file/logs cannot be created: Not a directory"):
        log_directory(tmp_path / "file/logs")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_to_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CondorFuturesError, match=r"you may not write to the directory"):
        log_directory(tmp_path)
