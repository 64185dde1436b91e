"""Lines are appended whole."""

from __future__ import annotations

import errno
import os

import pytest

from condor_futures.files import appending
from condor_futures.files.appending import append_line


@pytest.fixture
def file(tmp_path):
    with (tmp_path / "file").open("ab+", buffering=0) as made:
        yield made


def lines(file):
    file.seek(0)
    return file.read().decode().split("\n")


def test_a_line_stands_alone_whatever_was_there(file):
    file.write(b"torn")
    append_line(file.fileno(), "one two")
    append_line(file.fileno(), "half \ud800")
    assert [line for line in lines(file) if line] == ["torn", "one two", "half \\ud800"]


@pytest.mark.parametrize("fits", [0, 1, 5, 11])
def test_a_line_that_does_not_fit_leaves_nothing(file, fits, monkeypatch):
    append_line(file.fileno(), "first")
    before = lines(file)
    write, room = os.write, [fits]

    def small(descriptor, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = write(descriptor, data[: room[0]])
        room[0] -= count
        return count

    with monkeypatch.context() as patch:
        patch.setattr(appending.os, "write", small)
        with pytest.raises(OSError, match="No space left"):
            append_line(file.fileno(), "the second line")
    assert lines(file) == before
