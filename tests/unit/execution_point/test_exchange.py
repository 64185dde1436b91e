"""A warm job's files on the access point: whatever the line does, they are whole and in order in the end."""

from __future__ import annotations

import io
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from chirp_proxy import BAD_DESCRIPTOR, NO_SPACE, OFFLINE, UNKNOWN
from sandbox import BUNDLE, SESSION
from warm_sandbox import KEY

from condor_futures.execution_point import exchange as module
from condor_futures.execution_point.bundle import Bundle
from condor_futures.execution_point.exchange import BACKLOG, Exchange, Frames
from condor_futures.execution_point.frames import read_frames, write_frame
from condor_futures.execution_point.line import LineError


def frame(kind="call", size=10, secret=KEY, **header) -> bytes:
    file = io.BytesIO()
    write_frame(file, secret, {"kind": kind, **header}, [os.urandom(size)])
    return file.getvalue()


class Pieces:
    """A line to a file that the test writes; *before* is called before each reading."""

    def __init__(self) -> None:
        self.data = b""
        self.before = lambda: None

    def read(self, _, size, offset):
        self.before()
        return self.data[offset : offset + size]


@pytest.fixture
def pieces():
    return Pieces()


def read_all(frames, line):
    found = []
    for _ in range(100):
        found += frames.read(line, 0)
    return [(header.get("call"), data) for header, data in found]


def test_frames_are_read_as_they_become_whole(pieces):
    """Wherever the file ends for a moment, no byte is lost, and no frame comes twice."""
    sent = [frame(call=f"c{number}", size=number) for number in range(20)]
    frames, found = Frames(KEY), []
    for byte in b"".join(sent):
        pieces.data += bytes([byte])
        found += frames.read(pieces, 0)
    assert [data for _, data in found] == sent


def test_frames_of_all_sizes(pieces):
    """Also those that are larger than one reading, or than one request may ask for."""
    sent = [frame(call=f"c{size}", size=size) for size in (0, 1, 65_000, 66_000, 1 << 20, 3 << 20, 5, 1 << 17)]
    pieces.data = b"".join(sent)
    assert [data for _, data in read_all(Frames(KEY), pieces)] == sent


@pytest.mark.parametrize("size", [100, 200_000])
def test_another_client_goes_on_after_a_frame_that_was_cut(pieces, size):
    """What it writes may be smaller than what the job has seen the beginning of."""
    whole, cut, other = frame(call="a"), frame(call="b", size=size), frame(call="c", size=3)
    for end in (1, 6, 30, len(cut) // 2, len(cut) - 1):
        frames = Frames(KEY)
        pieces.data = whole + cut[:end]
        assert [call for call, _ in read_all(frames, pieces)] == ["a"]
        pieces.data = whole
        assert read_all(frames, pieces) == []
        pieces.data = whole + other
        assert read_all(frames, pieces) == [("c", other)]


def test_frame_that_is_replaced_while_it_is_read(pieces):
    """No mixture of the two is taken for a frame."""
    old, new = frame(call="old", size=300_000), frame(call="new", size=300_001)
    frames, reads = Frames(KEY), []
    pieces.data = old[:100_000]
    assert frames.read(pieces, 0) == []

    def replace():
        reads.append(0)
        if len(reads) == 1:
            pieces.data = old[:150_000]
        else:
            pieces.data = new

    pieces.before = replace
    with pytest.raises(LineError, match="not a frame"):
        frames.read(pieces, 0)
    assert read_all(frames, pieces) == [("new", new)]


@pytest.mark.parametrize("data", [b"no frame at all", b"CFf1\x00\x00\x00\x04nono", b"CFf1\x00\x00\x00\x02{}"])
def test_something_that_is_not_a_frame(pieces, data):
    pieces.data = data
    with pytest.raises(LineError, match="not a frame"):
        Frames(KEY).read(pieces, 0)


# Both files.


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = {"kind": "bundle", "secret": KEY.hex(), "session": SESSION, "bundle": BUNDLE}
    with (tmp_path / f"{BUNDLE}.calls").open("wb") as file:
        write_frame(file, KEY, head)
    return Bundle(BUNDLE)


class Job:
    """A job's exchange with its client's files."""

    def __init__(self, bundle, proxy) -> None:
        self.bundle = bundle
        self.ended = []
        self.exchange = Exchange(bundle, str(proxy.directory), self.ended.append)
        self.calls, self.outcomes, self.stdout = (
            Path(f"{self.exchange.path}.{suffix}") for suffix in ("calls", "outcomes", "stdout")
        )
        self.kept = Path(bundle.outcomes)
        self.exchange.streams = []  # the tests' own output is not what this is about
        self.exchange.say(kind="hello")

    def close(self):
        if self.exchange.line is not None:
            self.exchange.line.close()

    def written(self) -> list:
        """The keys or kinds of the frames that the client can read; each is authentic."""
        with self.outcomes.open("rb") as file:
            return [header.get("call", header["kind"]) for header, _ in read_frames(file, KEY)]

    def settle(self):
        """Exchange until all is through, as the job does in its loop."""
        frames = []
        deadline = time.monotonic() + 30
        while self.exchange.behind() or self.exchange.broken is not None or self.exchange.outcomes is None:
            frames += self.exchange.try_exchange()
            time.sleep(0.001)
            assert time.monotonic() < deadline
        return frames


@pytest.fixture
def job(bundle, proxy):
    with closing(Job(bundle, proxy)) as made:
        yield made


def test_outcomes_arrive_in_order_and_the_client_is_heard(job):
    assert job.exchange.exchange() == []
    for number in range(10):
        job.bundle.report(f"c{number}", "value", [b"data"])
    calls = frame(call="c1") + frame(call="c2")
    with job.calls.open("ab") as file:
        file.write(calls)
    assert [header["call"] for header, _ in job.exchange.exchange()] == ["c1", "c2"]
    assert job.written() == ["hello", *(f"c{number}" for number in range(10))]
    assert job.ended == [f"c{number}" for number in range(10)]


#: Each fault of the line, by a name.
FAULTS = {
    "another shadow": lambda proxy: proxy.new_shadow(),
    "no shadow for a moment": lambda proxy: proxy.refuse(OFFLINE, 3),
    "bad descriptor": lambda proxy: proxy.refuse(BAD_DESCRIPTOR, 3),
    "no space": lambda proxy: proxy.refuse(NO_SPACE, 5, "pwrite"),
    "unknown error": lambda proxy: proxy.refuse(UNKNOWN, 2),
    "error while files are opened again": lambda proxy: (proxy.new_shadow(), proxy.refuse(NO_SPACE, 3, "open")),
    "request breaks off": lambda proxy: proxy.cut_requests(0, 1000, 500_000),
    "connection closed": lambda proxy: proxy.close_connections(),
    "short writes": lambda proxy: setattr(proxy, "shortest", 70_001),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_outcomes_are_whole_whatever_the_line_does(job, proxy, fault):
    job.settle()
    job.bundle.report("c0", "value", [bytes(3 << 20)])
    FAULTS[fault](proxy)
    job.exchange.try_exchange()
    job.bundle.report("c1", "value", [b"small"])
    job.settle()
    job.exchange.say(kind="left")
    job.settle()
    assert job.written() == ["hello", "c0", "c1", "left"]
    assert proxy.exits == 0


@pytest.mark.parametrize("fault", [(0,), (3,), (100,), (8, 40, 70_000)])
def test_calls_are_whole_if_replies_break_off(job, proxy, fault):
    job.settle()
    sent = [frame(call="c1", size=10), frame(call="c2", size=200_000), frame(call="c3")]
    proxy.cut_replies(*fault)
    with job.calls.open("ab") as file:
        file.write(b"".join(sent))
    found = []
    while len(found) < 3:
        found += job.exchange.try_exchange()
    assert [data for _, data in found] == sent


def test_the_client_is_heard_while_the_disk_is_full(job, proxy):
    """It may cancel calls, also if the job has many outcomes that it cannot write."""
    job.settle()
    proxy.refuse(NO_SPACE, 10**6, "pwrite")
    job.bundle.report("c0", "value", [bytes(BACKLOG + 1)])
    with job.calls.open("ab") as file:
        file.write(frame("cancel", call="c1"))
    assert [header["kind"] for header, _ in job.exchange.try_exchange()] == ["cancel"]
    assert job.exchange.broken is not None
    proxy._codes.clear()
    job.settle()
    assert job.exchange.broken is None
    assert job.written() == ["hello", "c0"]


def test_no_file_is_opened_while_there_is_no_shadow(job, proxy):
    """The starter would exit."""
    job.settle()
    proxy.offline = True
    for _ in range(5):
        job.exchange.retry = 0.0
        assert job.exchange.try_exchange() == []
    assert job.exchange.broken is not None
    proxy.new_shadow()
    proxy.offline = False
    job.bundle.report("c0", "value")
    job.settle()
    assert job.written() == ["hello", "c0"]
    assert proxy.exits == 0


def test_failed_tries_to_open_the_files_leave_none_open(job, proxy):
    """The shadow would run out of descriptors."""
    job.settle()
    proxy.new_shadow()
    for _ in range(10):
        proxy.refuse(NO_SPACE, 1, "open")
        job.exchange.retry = 0.0
        job.exchange.try_exchange()
    job.settle()
    assert proxy.open_files == 2


def test_a_torn_outcome_is_cut_off(job):
    """It would hide those after it."""
    job.bundle.report("c0", "value", [bytes(100)])
    with job.kept.open("ab") as file:
        file.write(frame("outcome", call="c1")[:-5])
    job.exchange.cut_torn()
    job.bundle.report("c2", "value")
    job.settle()
    assert job.written() == ["hello", "c0", "c2"]


def test_an_outcome_that_is_being_written_waits_until_it_is_whole(job):
    data = frame("outcome", call="c0", session=SESSION)
    job.settle()
    with job.kept.open("ab", buffering=0) as file:
        for byte in data:
            job.exchange.try_exchange()
            assert job.written() == ["hello"]
            file.write(bytes([byte]))
    job.settle()
    assert job.written() == ["hello", "c0"]


def test_outcomes_of_an_earlier_attempt_count_but_not_its_output(bundle, proxy):
    """The output was in files that this attempt has overwritten."""
    bundle.report("c0", "value", [b"a"], stdout=[5, 10], stderr=[0, 7])
    bundle.report("c1", "crashed", signal=9)
    with Path(bundle.outcomes).open("ab") as file:
        file.write(frame("outcome", call="c2")[:-5])
    with closing(Job(bundle, proxy)) as job:
        bundle.report("c3", "value")
        job.settle()
    assert job.written() == ["c0", "hello", "c3"]
    with job.outcomes.open("rb") as file:
        header, _ = next(read_frames(file, KEY))
    assert (header["stdout"], header["stderr"]) == ([0, 0], [0, 0])


def test_file_of_the_sandbox_is_emptied_when_all_of_it_is_through(job):
    job.bundle.report("c0", "value", [bytes(1000)])
    job.exchange.forget()
    assert job.kept.stat().st_size > 1000
    job.settle()
    job.exchange.forget()
    assert job.kept.stat().st_size == 0
    job.bundle.report("c1", "value")
    job.settle()
    assert job.written() == ["hello", "c0", "c1"]


def test_output_is_there_before_the_outcome_of_its_call(job, tmp_path):
    """A call that goes on writing does not keep the job from anything else."""
    output = tmp_path / "output"
    output.write_bytes(b"first")
    descriptor = os.open(output, os.O_RDWR)
    stream = module._Stream(descriptor, "stdout")
    job.exchange.streams = [stream]
    copies = []

    class Line:
        def write(self, target, data, offset):
            copies.append(bytes(data))
            with output.open("ab") as file:
                file.write(b"more")
            return len(data)

    stream.target = 0
    job.exchange._copy(Line(), stream)
    assert copies == [b"first"]
    stream.target, stream.copied = None, 0
    job.bundle.report("c0", "value", stdout=[0, 9])
    job.settle()
    assert job.stdout.read_bytes() == b"firstmore"
    os.close(descriptor)


def test_a_shadow_that_stands_still_is_not_waited_for_at_the_end(job, proxy, monkeypatch):
    monkeypatch.setattr(module, "LAST_TIMEOUT", 0.1)
    job.settle()
    proxy.stand_still()
    job.exchange.say(kind="left")
    job.exchange.last()
    assert job.exchange.behind()
    proxy.go_on()
