"""The names in a session's directory, and the keys of its calls and bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.session.names import BUNDLES_PER_DIRECTORY
from condor_futures.session.session import Session


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """Sessions without a directory of their own are below tmp_path."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def fill(session: Session) -> list[Path]:
    """Make every file that an executor makes, and return all paths."""
    session.write_runner()
    with session.create_file(session.bundle_directory(0) / "b000000.calls") as file:
        file.write(b"calls")
    return [session.directory, *session.directory.rglob("*")]


def test_names(tmp_path):
    """The files are where the documentation says."""
    session = Session.create(tmp_path / "session")
    paths = {str(path.relative_to(session.directory)) for path in fill(session)}
    bundles = {"bundles", "bundles/000", "bundles/000/b000000.calls"}
    assert paths == {".", "session.json", "lock", "event_log", "runner", *bundles}
    assert session.event_log == session.directory / "event_log"
    assert session.event_log.read_bytes() == b""


def test_no_directory_gets_too_many_bundles(tmp_path):
    session = Session.create(tmp_path / "session")
    first, last, next_ = (session.bundle_directory(n) for n in (0, BUNDLES_PER_DIRECTORY - 1, BUNDLES_PER_DIRECTORY))
    assert (first.name, last.name, next_.name) == ("000", "000", "001")
    assert session.bundle_directory(BUNDLES_PER_DIRECTORY**2).name == "1000"
    assert first.is_dir()
    assert next_.is_dir()


def test_keys_sort_in_their_order():
    """They sort as text, up to any realistic number."""
    for key in (Session.bundle_key, Session.call_key):
        keys = [key(number) for number in (0, 9, 10, 99_999, 100_000, 999_999)]
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)
