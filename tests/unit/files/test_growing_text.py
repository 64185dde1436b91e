"""Text that grows is read once, also where it goes on in another file."""

from __future__ import annotations

import os

import pytest

from condor_futures.files import growing_text
from condor_futures.files.growing_text import GrowingText


@pytest.fixture
def text():
    return GrowingText()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "file"


def append(path, data):
    with path.open("ab") as opened:
        opened.write(data)


def test_each_part_comes_once(text, file):
    """Nothing comes of a file that is not there, or has not grown. What is before the start is another call's."""
    assert list(text.read(file, 7, None)) == []
    file.write_bytes(b"others one")
    assert list(text.read(file, 7, None)) == ["one"]
    assert list(text.read(file, 7, None)) == []
    append(file, b", two, other")
    assert list(text.read(file, 7, 15)) == [", two"]
    assert list(text.read(file, 7, 15)) == []


def test_a_character_may_come_in_parts(text, file):
    """A part of one is no text yet. If its rest never comes, that is one sign."""
    whole = "né".encode()
    append(file, whole[:2])
    assert list(text.read(file, 0, None)) == ["n"]
    append(file, whole[2:])
    assert list(text.read(file, 0, None)) == ["é"]
    append(file, b"\xff \xc3")
    assert list(text.read(file, 0, None)) == ["\ufffd "]
    assert (text.end(), text.end()) == ("\ufffd", "")


def test_large_output_comes_in_pieces(text, file, monkeypatch):
    monkeypatch.setattr(growing_text, "PIECE", 4)
    append(file, b"0123456789")
    assert list(text.read(file, 1, None)) == ["1234", "5678", "9"]


@pytest.mark.parametrize("piece", [1 << 20, 3])
def test_a_copy_is_continued(text, file, tmp_path, monkeypatch, piece):
    """In the copy, other output may be before it."""
    monkeypatch.setattr(growing_text, "PIECE", piece)
    append(file, b"before step 1\n")
    assert "".join(text.read(file, 7, None)) == "step 1\n"
    copy = tmp_path / "elsewhere" / "copy"
    copy.parent.mkdir()
    append(copy, b"step 1\nstep 2\nafter")
    assert "".join(text.read(copy, 0, 14)) == "step 2\n"


@pytest.mark.parametrize("where", [".", "elsewhere"])
@pytest.mark.parametrize("again", [b"", b"step", b"other 1\nand 2\n"], ids=["empty", "shorter", "different"])
def test_another_attempt_is_read_from_its_beginning(text, file, tmp_path, again, where):
    """It may have written less than the one before until now. An incomplete character is not continued by it."""
    append(file, b"step 1\n\xc3")
    assert "".join(text.read(file, 0, None)) == "step 1\n"
    other = tmp_path / where / "other"
    other.parent.mkdir(exist_ok=True)
    append(other, again)
    assert "".join(text.read(other, 0, None)) == "\ufffd" + again.decode()
    append(other, b"more")
    assert "".join(text.read(other, 0, None)) == "more"


def test_another_attempt_may_write_the_same(text, file, tmp_path):
    append(file, b"step 1\n")
    append(tmp_path / "other", b"step 1\n")
    assert "".join(text.read(file, 0, None)) + "".join(text.read(tmp_path / "other", 0, None)) == "step 1\nstep 1\n"


def test_what_is_no_file_of_its_own_is_not_read(text, file, tmp_path):
    """The job can make links where its files are."""
    append(tmp_path / "secret", b"secret")
    file.symlink_to(tmp_path / "secret")
    assert list(text.read(file, 0, None)) == []
    os.mkfifo(tmp_path / "pipe")
    assert list(text.read(tmp_path / "pipe", 0, None)) == []
