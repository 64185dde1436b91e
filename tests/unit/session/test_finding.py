"""The session that a name refers to, and directories that the user may not read."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from condor_futures.errors import CondorFuturesError
from condor_futures.session.session import Session, own_sessions


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Sessions without a directory of their own are below tmp_path."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_no_sessions_where_nobody_may_look(monkeypatch):
    """For example, sudo kept XDG_STATE_HOME."""
    closed = Path(tempfile.mkdtemp())  # not tmp_path, because no other user can enter the directories above it
    try:
        (closed / "state" / "condor_futures" / "sessions").mkdir(parents=True)
        monkeypatch.setenv("XDG_STATE_HOME", str(closed / "state"))
        os.seteuid(1)
        try:
            assert list(own_sessions()) == []
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(closed)


@pytest.mark.parametrize("name", [os.fsdecode(b"\xff"), "a\ud800", "a\0b", "a" * 300])
def test_name_of_no_session_may_be_anything(name):
    with pytest.raises(CondorFuturesError, match="there is no session"):
        Session.find(name)


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_directory_that_may_not_be_looked_into_is_told():
    """It belongs to another user."""
    base = Path(tempfile.mkdtemp())
    try:
        base.chmod(0o755)
        Session.create(base / "other")
        os.seteuid(65534)
        for name in (base / "other", base / "other/session"):
            with pytest.raises(CondorFuturesError, match=r"/session\.json cannot be read: Permission denied"):
                Session.find(name)
    finally:
        os.seteuid(0)
        shutil.rmtree(base)
