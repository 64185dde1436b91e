"""What a warm job and its last client wrote to each other tells a client that attaches which calls are where."""

from __future__ import annotations

import os

import pytest
from line_files import JobSide, write_calls

from condor_futures.calls.lines import Attempt, Line, Notes, calls_of, cancelled_of, last_report, running_call
from condor_futures.calls.lines import find_lines as lines_of
from condor_futures.calls.stored_calls import StoredCalls, bundle_secret
from condor_futures.execution_point.frames import write_frame
from condor_futures.future import Progress
from condor_futures.watching.connections import Connection

KEY = "b000005"


@pytest.fixture
def job(session):
    return JobSide(session, KEY).hello()


class Client:
    """Hands calls of one bundle to attempts of the job."""

    def __init__(self, session):
        self.session = session
        self.calls = StoredCalls(write_calls(session, 0, [f"c{n}" for n in range(6)]).path("calls"))

    def gives(self, job, *calls, **frame):
        connection = Connection(job.path.parent, job.path.name, job.secret, 0)
        connection.hand_out(self.calls, calls)
        job.given(*calls)
        if frame:
            connection.say(**frame)
        assert connection.send()
        connection.close()


@pytest.fixture
def client(session):
    return Client(session)


def find_lines(session):
    return lines_of(session, Notes.of(session))


def last(session):
    return find_lines(session)[KEY].last


def size(job):
    return job.path.with_suffix(".outcomes").stat().st_size


def test_a_session_without_warm_jobs_has_none(session):
    assert find_lines(session) == {}


def test_a_job_that_never_ran_has_no_attempt(session):
    directory = session.line_directory(KEY)
    assert find_lines(session) == {KEY: Line(directory)}


def test_other_directories_are_left_alone(session, job):
    session.given.write_text("backup c0\nb0x c1\n\n\0\n")
    for name in ("backup", "b0x"):
        (session.lines / name).mkdir()
    assert find_lines(session).keys() == {KEY}


def test_calls_without_an_outcome_are_with_the_job(session, job, client):
    client.gives(job, "c0", "c1", "c2", "c3")
    start = job.outcome("c1")
    line = find_lines(session)[KEY]
    assert line.outcomes == {"c1": (job.path.with_suffix(".outcomes"), start)}
    assert line.last == Attempt(job.path.name, ("c0", "c2", "c3"), size(job))


def test_calls_that_the_job_returned_are_not_with_it(session, job, client):
    """If they are given to it again, they are."""
    client.gives(job, "c0", "c1", "c2")
    job.say(kind="returned", calls=["c1", "c2"])
    assert last(session).calls == ("c0",)
    client.gives(job, "c1")
    assert last(session).calls == ("c0", "c1")


def test_calls_that_were_cancelled_are_not_with_it(session, job, client):
    client.gives(job, "c0", "c1", kind="cancel", call="c0")
    assert last(session).calls == ("c1",)


def test_a_job_that_left_has_none(session, job, client):
    """It makes no call that came too late."""
    client.gives(job, "c0")
    job.say(kind="left")
    assert last(session) == Attempt(job.path.name, (), size(job))


def test_the_last_attempt_has_the_calls_and_outcomes_of_all_count(session, job, client):
    """The first outcome of a call counts."""
    client.gives(job, "c0", "c1")
    start = job.outcome("c0")
    os.utime(job.path.with_suffix(".outcomes"), ns=(1, 1))
    again = JobSide(session, KEY, "0000000000000001").hello()
    client.gives(again, "c1", "c2", "c0")
    again.outcome("c0")
    second = again.outcome("c2")
    line = find_lines(session)[KEY]
    assert line.last.name == again.path.name
    assert line.last.earlier == {job.path.name}
    assert line.last.calls == ("c1",)
    assert line.outcomes == {
        "c0": (job.path.with_suffix(".outcomes"), start),
        "c2": (again.path.with_suffix(".outcomes"), second),
    }


def test_outcomes_that_came_by_file_transfer_count(session, job, client):
    """The line broke, so the job brought along what it could not write there."""
    client.gives(job, "c0", "c1")
    kept = job.outcome("c0")
    brought = session.bundle_directory(5) / f"{KEY}.outcomes"
    with brought.open("wb") as file:
        for call in ("c0", "c2", "c1"):
            start = file.tell()
            header = {"kind": "outcome", "session": session.id, "call": call, "result": "value", "host": "ep1"}
            write_frame(file, bundle_secret(session.secret, KEY), header)
    line = find_lines(session)[KEY]
    assert line.outcomes == {"c0": (job.path.with_suffix(".outcomes"), kept), "c1": (brought, start)}


def test_calls_that_the_client_did_not_give_to_the_job_are_not_with_it(session, job, client):
    """The job knows its secret, and may write any frames into both files. It cannot write where the client notes."""
    client.gives(job, "c0")
    JobSide(session, "b000006").given("c1")
    job.outcome("c1")
    with job.path.with_suffix(".calls").open("ab") as file:
        write_frame(file, job.secret, {"kind": "call", "call": "c1"})
    line = find_lines(session)[KEY]
    assert (line.outcomes, line.last.calls) == ({}, ("c0",))


def test_without_the_clients_notes_no_job_was_given_a_call(session, job, client):
    client.gives(job, "c0", "c1")
    job.outcome("c0")
    session.given.unlink()
    line = find_lines(session)[KEY]
    assert (line.outcomes, line.last.calls) == ({}, ())


def test_a_note_that_was_cut_off_harms_no_other(session, job, client):
    """The disk was full; the client gave the calls again."""
    client.gives(job, "c0")
    with session.given.open("a") as file:
        file.write(f"{KEY} c1 c")
    client.gives(job, "c1", "c2")
    assert last(session).calls == ("c0", "c1", "c2")


def test_an_attempt_that_has_not_said_hello_may_bring_outcomes_of_earlier_ones(session, job, client):
    client.gives(job, "c0", "c1", "c2")
    job.outcome("c0")
    again = JobSide(session, KEY, "00000000000000bb")
    again.outcome("c1")
    at = size(again)
    os.utime(again.path.with_suffix(".outcomes"), (2e9, 2e9))
    earlier = {job.path.name}
    assert last(session) == Attempt(again.path.name, (), at, greeted=False, lost={"c2"}, earlier=earlier)
    again.hello()
    os.utime(again.path.with_suffix(".outcomes"), (2e9, 2e9))
    assert last(session) == Attempt(again.path.name, (), size(again), earlier=earlier)


def test_a_call_is_with_the_job_that_was_given_it_last(session, job, client):
    """The other job had lost its slot, and may still bring an outcome; the call does not wait for it."""
    client.gives(job, "c0", "c1")
    other = JobSide(session, "b000006").hello()
    client.gives(other, "c1")
    assert last(session) == Attempt(job.path.name, ("c0",), size(job), lost={"c1"})
    assert find_lines(session)["b000006"].last.calls == ("c1",)
    client.gives(job, "c1")
    assert last(session).calls == ("c0", "c1")
    assert find_lines(session)["b000006"].last.lost == {"c1"}


def test_a_cancelled_call_is_with_its_job_until_the_job_is_told(session, job, client):
    client.gives(job, "c0", "c1")
    with session.given.open("a") as file:
        file.write(f"{cancelled_of('b000000')} c1\n")
    assert last(session).calls == ("c0", "c1")
    assert Notes.of(session).cancelled == {"b000000": {"c1"}}


def test_a_frame_that_is_not_whole_is_read_later(session, job, client):
    client.gives(job, "c0", "c1")
    whole = size(job)
    job.outcome("c0")
    os.truncate(job.path.with_suffix(".outcomes"), size(job) - 1)
    assert last(session) == Attempt(job.path.name, ("c0", "c1"), whole)


def test_outcomes_with_another_secret_or_of_another_session_do_not_count(session, job, client):
    client.gives(job, "c0", "c1")
    job.session = "another"
    job.outcome("c0")
    job.session, job.secret = session.id, session.secret
    job.outcome("c1")
    job.outcome("c0")
    line = find_lines(session)[KEY]
    assert (line.outcomes, line.last.calls) == ({}, ("c0", "c1"))


@pytest.mark.parametrize(
    "frame",
    [
        {"kind": "returned", "calls": "c0"},
        {"kind": "returned", "calls": [["c0"], 3, None]},
        {"kind": "outcome", "call": ["c0"]},
        {"kind": ["left"]},
        {},
    ],
    ids=str,
)
def test_what_the_job_wrote_as_it_liked_does_no_harm(session, job, client, frame):
    client.gives(job, "c0")
    job.say(**frame)
    with job.path.with_suffix(".calls").open("ab") as file:
        for more in (frame, {**frame, "kind": "call"}, {**frame, "kind": "cancel"}):
            write_frame(file, job.secret, more)
    found = find_lines(session)[KEY]
    assert found.last.calls == ("c0",)
    assert found.outcomes == {}


def test_links_are_not_followed(session, job, tmp_path):
    outside = tmp_path / "outside"
    job.path.with_suffix(".outcomes").rename(outside)
    job.path.with_suffix(".outcomes").symlink_to(outside)
    job.path.with_suffix(".calls").unlink()
    assert find_lines(session)[KEY] == Line(job.path.parent, {}, Attempt(job.path.name, (), 0, greeted=False))


# What a call says of itself.


def report(job, fraction=0.5, text="half", call="c0"):
    job.say(kind="report", call=call, fraction=fraction, text=text)


def test_the_last_report_is_that_of_the_call_that_is_being_made(session, job):
    directory = job.path.parent
    assert last_report(directory) is None, "only the hello"
    report(job, 0.25)
    report(job, 0.5, "half\x1b[31m of it")
    assert last_report(directory) == Progress(0.5, "half [31m of it")
    job.outcome("c0")
    assert last_report(directory) is None, "the next call has not reported anything"
    for n in range(1000):
        report(job, n / 1000, "\N{SNOWMAN}" * 60, call="c1")
    assert last_report(directory) == Progress(0.999, "\N{SNOWMAN}" * 60)


def test_a_job_without_an_attempt_has_not_reported_anything(session, tmp_path):
    assert last_report(session.line_directory(KEY)) is None
    assert last_report(tmp_path / "no such directory") is None


@pytest.mark.parametrize(
    "header",
    [
        {"kind": "report", "fraction": 2.0, "text": "more"},
        {"kind": "report", "fraction": "much", "text": "a"},
        {"kind": "report"},
    ],
    ids=["more than all", "no number", "nothing"],
)
def test_reports_that_make_no_sense_are_none(job, header):
    report(job)
    job.say(**header)
    assert last_report(job.path.parent) is None


@pytest.mark.parametrize("more", [b"CFf1", b"CFf1\0\0\4\0{", b"CFf1\xff\xff\xff\xff" * 10, b"x" * 9])
def test_a_frame_that_is_not_whole_does_not_hide_the_report_before_it(job, more):
    report(job)
    with job.path.with_suffix(".outcomes").open("ab") as file:
        file.write(more)
    assert last_report(job.path.parent) == Progress(0.5, "half")


def test_what_is_no_file_has_no_report(job, tmp_path):
    """A hostile job can make links by Chirp."""
    report(job)
    outcomes = job.path.with_suffix(".outcomes")
    outcomes.rename(tmp_path / "elsewhere")
    outcomes.symlink_to(tmp_path / "elsewhere")
    assert last_report(job.path.parent) is None


def test_the_call_that_is_made_now_is_the_first_without_an_outcome(session, job, client):
    assert running_call(job.path.parent) is None
    client.gives(job, "c0", "c1", "c2", "c3")
    assert running_call(job.path.parent) == "c0"
    job.outcome("c0")
    assert running_call(job.path.parent) == "c1"
    job.say(kind="returned", calls=["c1"])
    client.gives(job, "c1", kind="cancel", call="c2")
    assert running_call(job.path.parent) == "c1"
    job.outcome("c1")
    assert running_call(job.path.parent) == "c3"


def test_a_job_without_an_attempt_makes_no_call(session, tmp_path):
    assert running_call(tmp_path) is None
    assert running_call(tmp_path / "nowhere") is None


def test_the_calls_of_a_bundle_are_in_its_file(session, tmp_path):
    assert calls_of(write_calls(session, 0, ["c0", "c1"]).path("calls")) == ["c0", "c1"]
    assert calls_of(tmp_path / "nowhere") == []
