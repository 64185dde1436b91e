"""Shared objects: stored once, found by their hash, and stored again if somebody changed them."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import stat
import threading
from pathlib import Path

import pytest

from condor_futures.errors import SharedObjectError
from condor_futures.execution_point.frames import FrameError, read_object
from condor_futures.session.session import Session


@pytest.fixture
def session(tmp_path):
    return Session.create(tmp_path / "session")


def read(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return list(map(bytes, read_object(file, path.name)))


def test_the_name_of_the_file_is_the_hash_of_its_contents(session):
    handle = session.shared.store([b"pickle", memoryview(b"buffer")], "ndarray")
    path = session.objects / handle.name
    assert list(session.objects.iterdir()) == [path]
    assert read(path) == [b"pickle", b"buffer"]
    assert path.stat().st_size == handle.size
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert repr(handle) == f"<shared ndarray of {handle.size} bytes, {handle.name[:12]}>"
    assert handle.needs == {handle.name: handle.size}


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-33] + b"!" + data[-32:],
        lambda data: data[:20],
        lambda data: b"",
        lambda data: data.replace(b"[6, 6]", b"[7, 5]"),
    ],
    ids=["altered", "cut", "empty", "other sizes"],
)
def test_a_file_with_other_contents_is_refused(session, change):
    handle = session.shared.store([b"pickle", b"buffer"])
    path = session.objects / handle.name
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(change(data))
    with pytest.raises(FrameError):
        read(path)


def test_equal_objects_are_stored_once(session, monkeypatch):
    handle = session.shared.store([b"pickle"])
    before = (session.objects / handle.name).stat()
    assert session.shared.store([b"pickle"]) == handle
    assert len({handle, session.shared.store([b"pickle"]), session.shared.store([b"other"])}) == 2
    assert (session.objects / handle.name).stat() == before
    assert len(list(session.objects.iterdir())) == 2


def test_another_client_stores_an_object_again_under_its_name(session):
    handle = session.shared.store([b"pickle"])
    session.leave()
    later = Session.open(session.directory)
    assert later.shared.store([b"pickle"]) == handle
    assert len(list(session.objects.iterdir())) == 1


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.chmod(0o600) or path.write_bytes(b"?")])
def test_an_object_that_was_damaged_is_stored_again(session, damage):
    handle = session.shared.store([b"pickle"])
    damage(session.objects / handle.name)
    assert session.shared.store([b"pickle"]) == handle
    assert read(session.objects / handle.name) == [b"pickle"]


def test_a_job_gets_a_link(session, tmp_path):
    handle = session.shared.store([b"pickle"])
    path = session.objects / handle.name
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        session.shared.lend(handle.name, tmp_path / name)
        session.shared.lend(handle.name, tmp_path / name)  # it is there
    assert path.stat().st_nlink == 3
    before = path.stat().st_ino
    assert session.shared.store([b"pickle"]) == handle  # not again because of the links
    assert path.stat().st_ino == before
    (tmp_path / "one" / handle.name).unlink()
    assert read(path) == [b"pickle"]


def test_a_job_gets_a_copy_where_there_are_no_links(session, tmp_path, monkeypatch):
    handle = session.shared.store([b"pickle"])

    def link(*_, **__):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", link)
    session.shared.lend(handle.name, tmp_path)
    before = (tmp_path / handle.name).stat()
    session.shared.lend(handle.name, tmp_path)  # it is there
    assert (tmp_path / handle.name).stat() == before
    assert read(tmp_path / handle.name) == [b"pickle"]
    assert (session.objects / handle.name).stat().st_nlink == 1


def test_a_job_gets_an_object_again_that_was_stored_again(session, tmp_path):
    handle = session.shared.store([b"pickle"])
    session.shared.lend(handle.name, tmp_path)
    lent = tmp_path / handle.name
    lent.chmod(0o600)
    lent.write_bytes(lent.read_bytes().replace(b"pickle", b"hostil"))
    assert session.shared.store([b"pickle"]) == handle
    session.shared.lend(handle.name, tmp_path)
    assert read(lent) == [b"pickle"]


def test_an_object_that_is_not_there_cannot_be_lent(session, tmp_path):
    with pytest.raises(SharedObjectError, match=r"the shared object 000000000000, .* was removed: .*/objects/0"):
        session.shared.lend("0" * 64, tmp_path)


def test_a_handle_cannot_be_pickled_but_copied(session):
    handle = session.shared.store([b"pickle"])
    assert copy.copy(handle) is handle
    assert copy.deepcopy([handle])[0] is handle
    with pytest.raises(TypeError, match=r"<shared object of .* can only be sent to calls of the executor that"):
        pickle.dumps(handle)


def test_threads_can_share_equal_objects_at_once(session):
    handles = []
    data = os.urandom(1 << 20)
    threads = [threading.Thread(target=lambda: handles.append(session.shared.store([data]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(handles)) == 1
    assert read(session.objects / handles[0].name) == [data]
    assert not list(session.directory.glob("*.new"))
