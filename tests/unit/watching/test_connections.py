"""The client's side of the files of one attempt of a warm job. The job can write there, so nothing is trusted."""

from __future__ import annotations

import gc
import os

import psutil
import pytest
from line_files import JobSide, write_calls

from condor_futures.calls.stored_calls import StoredCalls
from condor_futures.execution_point.frames import MAGIC
from condor_futures.watching import connections
from condor_futures.watching.connections import Connection


@pytest.fixture
def job(session):
    return JobSide(session, "b000001")


@pytest.fixture
def connect(job):
    """Connect to the job as its client does."""
    made = []

    def connect(position=0):
        made.append(Connection(job.path.parent, job.path.name, job.secret, position))
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def kinds(connection):
    return [header["kind"] for header, _ in connection.read()]


def test_frames_are_read_once_each_with_its_place(job, connect):
    connection = connect()
    assert list(connection.read()) == []
    job.hello()
    start = job.outcome("c0", 5)
    assert [(header["kind"], at) for header, at in connection.read()] == [("hello", 0), ("outcome", start)]
    assert list(connection.read()) == []
    end = job.say(kind="left")
    assert [(header["kind"], at) for header, at in connection.read()] == [("left", end)]


def test_a_frame_is_read_when_it_is_whole(job, connect):
    """Its first bytes may be there before."""
    connection = connect()
    job.hello()
    path = job.path.with_suffix(".outcomes")
    job.outcome("c0")
    data = path.read_bytes()
    whole = []
    for left in range(len(data) + 1):
        path.write_bytes(data[:left])
        whole += [(left, kind) for kind in kinds(connection)]
    assert [kind for _, kind in whole] == ["hello", "outcome"]
    assert whole[-1][0] == len(data)


def test_who_goes_on_reads_from_the_given_place_on(job, connect):
    job.hello()
    start = job.outcome("c0")
    assert [(header["kind"], at) for header, at in connect(start).read()] == [("outcome", start)]


def test_what_is_no_frame_is_refused(job, connect):
    """What comes before it counts."""
    connection = connect()
    job.hello()
    with job.path.with_suffix(".outcomes").open("ab") as file:
        file.write(b"something else")
    seen = []
    with pytest.raises(ValueError, match=r"outcomes has something that is not a frame"):
        seen.extend(header["kind"] for header, _ in connection.read())
    assert seen == ["hello"]


def test_a_header_of_any_stated_size_costs_no_memory(job, connect):
    connection = connect()
    with job.path.with_suffix(".outcomes").open("ab") as file:
        file.write(MAGIC + b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="not a frame"):
        kinds(connection)


def test_a_frame_of_any_stated_size_costs_no_memory(job, connect):
    """Its end is waited for."""
    connection, header = connect(), b'{"segments": [99999999999999]}'
    with job.path.with_suffix(".outcomes").open("ab") as file:
        file.write(MAGIC + len(header).to_bytes(4, "big") + header)
    assert kinds(connection) == []


@pytest.mark.parametrize("header", [b"not json", b"[]", b'{"segments": [-1]}', b'{"segments": 5}', b"[" * 100_000])
def test_a_header_that_makes_no_sense_is_noticed(job, connect, header):
    connection = connect()
    with job.path.with_suffix(".outcomes").open("ab") as file:
        file.write(MAGIC + len(header).to_bytes(4, "big") + header)
    with pytest.raises(ValueError, match="cannot be read"):
        kinds(connection)


def test_a_job_writes_no_more_frames_than_it_has_to(job, connect):
    connection = connect()
    for _ in range(200):
        job.say(kind="hello")
    with pytest.raises(ValueError, match="more frames"):
        kinds(connection)


def test_an_attempt_begins_with_an_empty_file_of_calls(job, connect):
    job.path.with_suffix(".calls").write_bytes(b"of the job")
    with pytest.raises(OSError, match="not empty"):
        connect(None)


def test_the_job_reads_what_is_sent_and_nothing_before(session, job, connect):
    connection, stored = connect(), StoredCalls(write_calls(session, 0, ["c0", "c1"]).path("calls"))
    connection.say(kind="cancel", call="c7")
    connection.hand_out(stored, ["c0"])
    assert job.heard() == []
    assert connection.send()
    assert not connection.behind
    assert job.heard() == ["cancel c7", "function", "call c0"]
    connection.hand_out(stored, ["c1"])
    assert connection.send()
    assert job.heard() == ["call c1"]
    assert connection.send()
    assert job.heard() == []


def test_of_calls_that_cannot_be_read_none_is_sent(session, job, connect):
    """What was said before them is."""
    connection = connect()
    good, bad = (write_calls(session, number, [f"c{number}", f"d{number}"], functions=(abs, bool)) for number in (0, 1))
    good, cut = StoredCalls(good.path("calls")), StoredCalls(bad.path("calls"))
    connection.hand_out(good, ["c0"])
    os.truncate(bad.path("calls"), bad.path("calls").stat().st_size - 1)
    with pytest.raises(ValueError, match="truncated"):
        connection.hand_out(cut, ["c1", "d1"])
    connection.say(kind="leave")
    assert connection.send()
    assert job.heard() == ["function", "call c0", "leave"]
    connection.hand_out(good, ["d0"])
    connection.send()
    assert [header.get("function") for header, _ in job.frames()] == [None, 0, None, None, 1]


def test_who_goes_on_cuts_off_what_was_not_whole(session, job, connect):
    """The last client was killed while it wrote. The job has its functions."""
    stored = StoredCalls(write_calls(session, 0, ["c0", "c1"]).path("calls"))
    connection = connect()
    connection.hand_out(stored, ["c0"])
    connection.send()
    with job.path.with_suffix(".calls").open("ab") as file:
        file.write(MAGIC + bytes(20))
    later = connect()
    later.hand_out(stored, ["c1"])
    later.send()
    assert job.heard() == ["function", "call c0", "call c1"]


def test_what_a_full_disk_refuses_is_sent_later(job, connect, monkeypatch, caplog):
    """It goes on in the middle of a frame, because the job may have read the part that was written."""
    connection = connect()
    write, room = os.write, 70

    def full(descriptor, data):
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        part = bytes(data[:room])
        room -= len(part)
        return write(descriptor, part)

    monkeypatch.setattr(connections.os, "write", full)
    connection.say(kind="cancel", call="c0")
    connection.say(kind="cancel", call="c1")
    assert not connection.send()
    assert connection.behind
    assert "of calls cannot be written" in caplog.text
    connection.say(kind="leave")
    assert not connection.send()
    room = 10_000
    assert connection.send()
    assert not connection.behind
    assert job.heard() == ["cancel c0", "cancel c1", "leave"]


@pytest.mark.parametrize("suffix", [".calls", ".outcomes"])
@pytest.mark.parametrize("what", ["link", "pipe", "directory", "nothing"])
def test_only_plain_files_are_opened(job, connect, tmp_path, suffix, what):
    """The job may have put something else in their place."""
    path = job.path.with_suffix(suffix)
    path.unlink()
    if what == "link":
        (tmp_path / "secret").write_text("secret")
        path.symlink_to(tmp_path / "secret")
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    with pytest.raises(OSError):
        connect()
    if what == "link":
        assert (tmp_path / "secret").read_text() == "secret"


def test_a_file_with_another_name_is_not_written_to(job, connect, tmp_path):
    """A hard link could be any file of the user."""
    (tmp_path / "precious").write_text("precious")
    job.path.with_suffix(".calls").unlink()
    os.link(tmp_path / "precious", job.path.with_suffix(".calls"))
    with pytest.raises(OSError, match=r"calls is not a file of its own"):
        connect()
    assert (tmp_path / "precious").read_text() == "precious"


def test_no_descriptor_stays_open(job, connect):
    """Neither that of a connection that is closed, nor one of a connection that failed."""
    gc.collect()
    before = psutil.Process().num_fds()
    Connection(job.path.parent, job.path.name, job.secret).close()
    job.path.with_suffix(".calls").unlink()
    with pytest.raises(OSError):
        connect()
    os.mkfifo(job.path.with_suffix(".calls"))
    with pytest.raises(OSError):
        connect()
    assert psutil.Process().num_fds() == before
