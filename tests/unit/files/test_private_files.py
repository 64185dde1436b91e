"""Permitted places for a session: only those where no other user could replace it."""

from __future__ import annotations

import os

import pytest

from condor_futures.errors import CondorFuturesError
from condor_futures.files.private_files import check_place, make_directory, open_regular
from condor_futures.session.session import Session

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
SOMEBODY = 12345


@pytest.fixture
def shared(tmp_path):
    """A directory like /tmp: everyone may write to it, and remove their own files."""
    directory = tmp_path / "shared"
    directory.mkdir()
    directory.chmod(0o1777)
    return directory


def test_own_directories_in_shared_ones_are_safe(shared):
    """No other user can rename them."""
    (shared / "mine").mkdir()
    check_place(shared / "mine")
    (shared / "link").symlink_to("mine")
    check_place(shared / "link")


@pytest.mark.parametrize("below", ["session", "deeper/session"])
def test_directory_where_everybody_may_rename_everything_is_refused(shared, below):
    shared.chmod(0o777)
    make_directory(shared / below, 0o700)
    with pytest.raises(CondorFuturesError, match=f"everybody can write to {shared}; choose another"):
        check_place(shared / below)


@pytest.mark.root
@ROOT
@pytest.mark.parametrize("kind", ["directory", "link"])
@pytest.mark.parametrize("below", ["", "mine"])
def test_what_somebody_else_has_put_into_a_shared_directory_is_refused(shared, kind, below):
    """Its owner can replace it, or the directory above it.

    The same applies to another user's link to my own directory.
    """
    theirs = shared / "theirs"
    if kind == "directory":
        theirs.mkdir()
    else:
        (shared / "target").mkdir()
        theirs.symlink_to("target")
    os.chown(theirs, SOMEBODY, -1, follow_symlinks=False)
    make_directory(theirs / below, 0o700)
    with pytest.raises(CondorFuturesError, match=f"theirs belongs to the uid {SOMEBODY}"):
        check_place(theirs / below)
    with pytest.raises(CondorFuturesError, match=f"theirs belongs to the uid {SOMEBODY}"):
        Session.create(theirs / "session")
    assert not (theirs / "session").exists()


@pytest.mark.root
@ROOT
def test_a_directory_of_somebody_else_is_no_session(tmp_path):
    """Neither is a directory that only the other user can write to."""
    tmp_path.chmod(0o755)
    session = Session.create(tmp_path / "session")
    session.leave()
    os.chown(session.directory, SOMEBODY, -1)
    with pytest.raises(CondorFuturesError, match=f"is not yours: it belongs to the uid {SOMEBODY}"):
        Session.open(session.directory)


@pytest.mark.root
@ROOT
def test_state_directory_of_somebody_else(shared, monkeypatch):
    """Anyone may have set XDG_STATE_HOME."""
    (shared / "state").mkdir()
    os.chown(shared / "state", SOMEBODY, -1)
    monkeypatch.setenv("XDG_STATE_HOME", str(shared / "state"))
    with pytest.raises(CondorFuturesError, match="is not a safe place for a session"):
        Session.create()


def test_file_systems_with_lists_of_their_own_are_believed(shared, monkeypatch):
    """AFS shows 0777 for /afs itself."""
    shared.chmod(0o777)
    make_directory(shared / "session", 0o700)
    monkeypatch.setattr("condor_futures.files.private_files._has_lists", lambda device: device == shared.stat().st_dev)
    check_place(shared / "session")


def test_this_file_system_has_no_such_lists(tmp_path):
    from condor_futures.files.private_files import _has_lists

    assert not _has_lists(tmp_path.stat().st_dev)


def test_only_regular_files_are_opened(tmp_path):
    """Opening a pipe without a writer would block."""
    (tmp_path / "file").write_bytes(b"text")
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"text"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    for name in ("pipe", "link", ".", "nothing"):
        with pytest.raises(OSError):
            open_regular(tmp_path / name)
