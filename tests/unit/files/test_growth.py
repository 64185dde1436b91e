"""Files that grow are noticed."""

from __future__ import annotations

import ctypes
import select

import pytest

from condor_futures.files.growth import Growth


@pytest.fixture
def growth():
    growth = Growth()
    if not growth.works:
        pytest.skip("inotify does not work here")
    yield growth
    growth.close()


def readable(growth):
    return bool(select.select([growth.descriptor], [], [], 0)[0])


def test_a_new_file_is_told_as_its_directory(growth, tmp_path):
    """Also one that is renamed into it. What is written to a file of the directory is not told."""
    assert growth.watch_directory(tmp_path)
    assert not readable(growth)
    (tmp_path / "file").touch()
    assert readable(growth)
    assert growth.read() == {tmp_path}
    (tmp_path / "file").write_text("1")
    assert growth.read() == set()
    elsewhere = tmp_path.with_name(tmp_path.name + "-elsewhere")
    elsewhere.touch()
    elsewhere.rename(tmp_path / "other")
    assert growth.read() == {tmp_path}


def test_a_file_that_is_written_to_is_told_once_for_all_writes(growth, tmp_path):
    files = [tmp_path / name for name in "abc"]
    for file in files:
        file.touch()
        assert growth.watch_file(file)
    for file in files[:2]:
        for _ in range(10):
            with file.open("a") as stream:
                stream.write("more")
    assert growth.read() == set(files[:2])
    assert growth.read() == set()
    assert not readable(growth)


def test_what_is_forgotten_is_told_no_more(growth, tmp_path):
    (tmp_path / "file").touch()
    growth.watch_file(tmp_path / "file")
    growth.watch_directory(tmp_path)
    (tmp_path / "file").write_text("1")
    growth.forget(tmp_path / "file")
    (tmp_path / "file").write_text("2")
    assert growth.read() == set()
    growth.forget(tmp_path / "never watched")
    (tmp_path / "other").touch()
    assert growth.read() == {tmp_path}


def test_a_file_that_is_removed_is_watched_no_more(growth, tmp_path):
    """Another file of the same name can be watched."""
    path = tmp_path / "file"
    path.touch()
    growth.watch_file(path)
    path.unlink()
    assert growth.read() == set()
    path.touch()
    assert growth.watch_file(path)
    path.write_text("1")
    assert growth.read() == {path}
    growth.forget(path)


def test_many_changes_at_once_are_told(growth, tmp_path):
    """They take more than one read."""
    growth.watch_directory(tmp_path)
    for number in range(3000):
        (tmp_path / f"{number:0100d}").touch()
    told = set()
    while readable(growth):
        told |= growth.read()
    assert told == {tmp_path}


def test_a_file_that_is_not_there_cannot_be_watched(growth, tmp_path):
    assert not growth.watch_file(tmp_path / "nothing")
    assert not growth.watch_directory(tmp_path / "nothing")


def test_without_inotify_nothing_is_told(monkeypatch, tmp_path):
    """As on another system, or if the user has too many of them."""

    class Library:
        def inotify_init1(self, _flags):
            return -1

    for library in (lambda *_, **__: object(), lambda *_, **__: Library()):
        monkeypatch.setattr(ctypes, "CDLL", library)
        growth = Growth()
        assert (growth.works, growth.descriptor) == (False, None)
        assert not growth.watch_directory(tmp_path)
        (tmp_path / "file").touch()
        assert growth.read() == set()
        growth.forget(tmp_path)
        growth.close()


def test_it_can_be_closed_twice():
    growth = Growth()
    growth.close()
    growth.close()
    assert not growth.works
    assert growth.read() == set()
