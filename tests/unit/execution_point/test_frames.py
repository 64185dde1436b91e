"""Frames are read as they were written. Other bytes are refused."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.pickling import pickle_object
from condor_futures.execution_point.frames import (
    LARGEST_HEADER,
    MAGIC,
    UNCHECKED,
    FrameError,
    read_frames,
    skim,
    write_frame,
)

SECRET = bytes(range(32))

headers = st.dictionaries(
    st.text(max_size=10).filter(lambda key: key != "segments"),
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    max_size=5,
)


@given(st.lists(st.tuples(headers, st.lists(st.binary(max_size=100), max_size=4)), max_size=5))
def test_frames_round_trip(frames):
    """The reader returns any content unchanged, and the headers can be read alone."""
    file = io.BytesIO()
    for header, segments in frames:
        write_frame(file, SECRET, header, segments)
    expected = [({**header, "segments": [len(part) for part in segments]}, segments) for header, segments in frames]
    assert list(read_frames(io.BytesIO(file.getvalue()), SECRET)) == expected


@given(segments=st.lists(st.binary(max_size=100), max_size=4), cut=st.floats(0, 1))
def test_skimming_stops_at_a_torn_frame(tmp_path_factory, segments, cut):
    """The headers of whole frames are available without the content. An incomplete frame does not count."""
    path = tmp_path_factory.mktemp("skim") / "frames"
    with path.open("wb") as file:
        write_frame(file, SECRET, {"number": 0}, segments)
        size = file.tell()
        write_frame(file, SECRET, {"number": 1}, segments)
        file.truncate(size + int(size * cut * 0.999))
    with path.open("rb") as file:
        assert [(header["number"], start, end) for header, start, end in skim(file)] == [(0, 0, size)]


def write_hole(path, head, size):
    """Write a frame whose content is a hole of *size* bytes, as a job can do at no cost; its tag is wrong."""
    with path.open("wb") as file:
        file.write(MAGIC + len(head).to_bytes(4, "big") + head)
        file.truncate(size)


@pytest.mark.parametrize("what", ["segments", "header"])
def test_a_frame_that_is_not_authentic_takes_little_memory(tmp_path, what):
    """However large it is."""
    path = tmp_path / "frames"
    if what == "segments":
        size = UNCHECKED * 4
        head = json.dumps({"kind": "outcome", "segments": [size]}).encode()
        write_hole(path, head, 8 + len(head) + size + 32)
    else:
        with path.open("wb") as file:
            file.write(MAGIC + (LARGEST_HEADER + 1).to_bytes(4, "big"))
            file.truncate(LARGEST_HEADER * 2)
    tracemalloc.start()
    with path.open("rb") as file, pytest.raises(FrameError, match=r"altered|header has"):
        next(read_frames(file, SECRET))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < UNCHECKED / 2


def test_a_large_frame_is_read_whole_and_its_change_is_noticed(tmp_path):
    path = tmp_path / "frames"
    parts = [b"x" * (UNCHECKED + 5), b"", b"yz"]
    with path.open("wb") as file:
        write_frame(file, SECRET, {"number": 0}, parts)
        write_frame(file, SECRET, {"number": 1}, [b"small"])
    with path.open("rb") as file:
        assert [segments for _, segments in read_frames(file, SECRET)] == [parts, [b"small"]]
    with path.open("r+b") as file:
        file.seek(UNCHECKED)
        file.write(b"!")
    with path.open("rb") as file, pytest.raises(FrameError, match="altered"):
        next(read_frames(file, SECRET))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_are_refused(data):
    """Reading raises only FrameError, whatever the bytes are."""
    for prefix in (b"", MAGIC, MAGIC + b"\0\0\0\x08"):
        with pytest.raises(FrameError):
            list(read_frames(io.BytesIO(prefix + data + b"."), SECRET))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"segments": 3}',
        b'{"segments": null}',
        b'{"segments": {"a": 1}}',
        b'{"segments": {}}',
        b'{"segments": ""}',
        b'{"segments": [NaN]}',
        b'"segments"',
        b'{"segments": [' + b"9" * 5000 + b"]}",
        b'{"segments": [-1]}',
        b'{"segments": ["1"]}',
        b'{"segments": [1e99]}',
        b'{"segments": [true]}',
        b'{"segments": [null]}',
    ],
)
def test_header_that_makes_no_sense_is_refused(head):
    data = MAGIC + len(head).to_bytes(4, "big") + head + bytes(100)
    with pytest.raises(FrameError):
        list(read_frames(io.BytesIO(data), SECRET))


def test_first_frame_brings_the_secret():
    """The runner has no secret before it reads the bundle. The later frames have to match it."""
    call = Call("c1", pickle_object(len, "f"), pickle_object((("abc",), {}), "(args, kwargs)"))
    file = io.BytesIO()
    write_bundle(file, [call], session="20260101-000000-0a1b2c3d", bundle="b000000", secret=SECRET)
    assert len(list(read_frames(io.BytesIO(file.getvalue())))) == 3


@pytest.mark.parametrize("secret", [None, 3, "zz", [1], "00" * 65], ids=lambda secret: repr(secret)[:9])
def test_secret_that_is_none_is_refused(secret):
    file = io.BytesIO()
    write_frame(file, SECRET, {"secret": secret})
    with pytest.raises(FrameError):
        list(read_frames(io.BytesIO(file.getvalue())))
