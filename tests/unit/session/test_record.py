"""The content of session.json, and the conditions under which it is refused."""

from __future__ import annotations

import errno
import json
import os

import pytest

from condor_futures.errors import CondorFuturesError
from condor_futures.session import record
from condor_futures.session.session import Session


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Sessions without a directory of their own are below tmp_path."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_session_file_has_what_attaching_needs(tmp_path):
    session = Session.create(tmp_path / "session")
    about = json.loads((session.directory / "session.json").read_text())
    assert about["id"] == session.id
    assert bytes.fromhex(about["secret"]) == session.secret
    assert (about["client"], about["pid"]) == (os.uname().nodename, os.getpid())


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_session_whose_place_cannot_be_looked_at_is_told(tmp_path, monkeypatch):
    """A program that reads several sessions can skip this one."""
    Session.create(tmp_path / "session").leave()
    monkeypatch.setattr(record, "check_place", no_room)
    with pytest.raises(CondorFuturesError, match=r"/session cannot be read: No space left on device$"):
        Session.open(tmp_path / "session")
