"""HTCondor's events become ours: from logs that a real HTCondor wrote, and from incomplete files."""

from __future__ import annotations

import errno
import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import htcondor2
import pytest

from condor_futures.session.event_log import EventLog
from condor_futures.state_machine.states import (
    Aborted,
    Executing,
    Held,
    Job,
    MarkRunning,
    Note,
    Report,
    Retrieve,
    Retrieved,
    ShadowException,
    State,
    Submitted,
    Terminated,
)
from condor_futures.state_machine.transitions import advance

LOGS = Path(__file__).parents[2] / "event_logs"


def recorded(name: str) -> bytes:
    return (LOGS / f"{name}.log").read_bytes()


@pytest.fixture
def log(tmp_path):
    """A log to write to, and an open reader of it."""
    path = tmp_path / "event_log"
    path.touch()
    reader = EventLog(path)
    yield path, reader
    reader.close()


def test_a_pipe_in_the_place_of_the_log_is_not_waited_for(log, tmp_path):
    """Nobody writes to the pipe."""
    path, reader = log
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is not a regular file"):
        EventLog(tmp_path / "pipe")
    (tmp_path / "pipe").replace(path)
    assert reader.read() == []


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def events_of(name: str) -> list:
    """Return all events of a recorded log."""
    reader = EventLog(LOGS / f"{name}.log")
    try:
        return reader.read()
    finally:
        reader.close()


def words(name: str) -> list[str]:
    """Return the kinds of events in a recorded log of one job, in order, without those that mean nothing."""
    return [type(event).__name__ for event in events_of(name) if not isinstance(event, Note)]


def replay(events, *, spooled: bool, answer_at_once: bool = True):
    """Apply the table to a log. Return each job and its effects.

    The test answers retrievals at once, or at the end.
    """
    jobs, effects = {}, defaultdict(list)

    def feed(event):
        job = jobs.get(event.job_id) or Job(event.job_id, spooled)
        jobs[event.job_id], performed = advance(job, event)
        effects[event.job_id] += performed
        return Retrieve() in performed

    asked = []
    for event in events:
        if feed(event):
            asked.append(event.job_id)
        while asked and answer_at_once:
            feed(Retrieved(asked.pop()))
    for job_id in asked:
        feed(Retrieved(job_id))
    return jobs, effects


WELL = {"exit_status": 0, "signal": None}
KILLED = {"exit_status": None, "signal": 9}

EXPECTED = {
    "good_spooled": (3, Terminated, WELL),
    "good_unspooled": (1, Terminated, WELL),
    "nonzero_exit": (1, Terminated, {"exit_status": 3, "signal": None}),
    "killed_by_signal": (1, Terminated, KILLED),
    "killed_by_signal_unspooled": (1, Terminated, KILLED),
    "held_while_running": (1, Held, {"code": 1, "subcode": 0, "reason": "held by the operator (by user daemon)"}),
    "held_and_released": (1, Held, {"code": 1, "subcode": 0, "reason": "via condor_hold (by user daemon)"}),
    "removed_while_running": (1, Aborted, {"reason": "via condor_rm (by user daemon)"}),
    "removed_while_idle": (1, Aborted, {"reason": "via condor_rm (by user daemon)"}),
    "removed_after_completion": (1, Terminated, WELL),
    "cancelled_while_running": (1, Aborted, {"reason": "Python-initiated action (by user daemon)"}),
    "evicted_then_finished": (1, Terminated, WELL),
    "evicted_fast_then_finished": (1, Terminated, WELL),
    "shadow_killed": (1, Terminated, WELL),
    "starter_killed": (1, Terminated, WELL),
    "reconnected": (1, Terminated, WELL),
    "notes_of_a_named_batch": (1, Aborted, {"reason": "via condor_rm (by user daemon)"}),
}
"""Log -> the number of jobs, and the cause of their only report."""


@pytest.mark.parametrize("answer_at_once", [True, False], ids=["answered at once", "answered last"])
@pytest.mark.parametrize("spooled", [True, False], ids=["spooled", "unspooled"])
@pytest.mark.parametrize("name", EXPECTED)
def test_recorded_log_leads_to_its_end(name, spooled, answer_at_once):
    """Each job of the log ends with exactly one report, which says what happened."""
    count, kind, fields = EXPECTED[name]
    events = events_of(name)
    removals = {event.job_id: event for event in events if isinstance(event, Aborted)}
    jobs, effects = replay(events, spooled=spooled, answer_at_once=answer_at_once)
    assert len(jobs) == count
    for job_id, job in jobs.items():
        assert job.state is State.ENDED
        reports = [effect for effect in effects[job_id] if isinstance(effect, Report)]
        # This job was removed before the client knew its outcomes. The reason for missing outcomes is the removal.
        early = removals.get(job_id) if spooled and not answer_at_once and fields == WELL else None
        assert reports == [Report(early or kind(job_id, **fields))]


def test_every_recorded_log_is_replayed():
    """A new log in the directory must have a description in the README, and an expected end here."""
    names = {path.stem for path in LOGS.glob("*.log")}
    assert names == {*EXPECTED, "evicted_again_and_again"}
    assert names == set(re.findall(r"^\| `(\w+)\.log`", (LOGS / "README.md").read_text(), re.MULTILINE))


def test_job_that_is_evicted_again_and_again_is_given_up():
    """Nothing hangs: a job that starts again and again without running fails its futures."""
    [job], [effects] = (list(part.values()) for part in replay(events_of("evicted_again_and_again"), spooled=True))
    assert job.state is State.ENDED
    assert Counter(map(type, effects))[Report] == 1


@pytest.mark.parametrize("name", [name for name in EXPECTED if "idle" not in name and name != "notes_of_a_named_batch"])
def test_futures_are_marked_running_when_their_job_runs(name):
    jobs, effects = replay(events_of(name), spooled=True)
    for job_id, job in jobs.items():
        assert MarkRunning() in effects[job_id]
        assert job.host == "ep1.example.org"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("good_unspooled", "Submitted Executing Terminated"),
        ("held_and_released", "Submitted Executing Evicted Held Released Executing Terminated"),
        ("removed_after_completion", "Submitted Executing Terminated Aborted"),
        ("shadow_killed", "Submitted Executing Executing Terminated Aborted"),
        ("reconnected", "Submitted Executing Terminated"),
        ("starter_killed", "Submitted Executing Evicted Evicted Executing Terminated Aborted"),
    ],
)
def test_recorded_log_in_our_words(name, expected):
    """HTCondor's sequence of events, including surprises, in our classes."""
    assert words(name) == expected.split()


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("good_spooled", ["b000000", "b000001", "b000002"]),
        ("good_unspooled", ["b000000"]),
        # HTCondor drops submit_event_notes if there is a batch_name, but not submit_event_user_notes.
        ("notes_of_a_named_batch", ["u000000"]),
    ],
)
def test_bundle_key_is_in_the_submit_event(name, keys):
    """Without the key, a log could not say which job belongs to which bundle."""
    assert [event.bundle for event in events_of(name) if isinstance(event, Submitted)] == keys


@pytest.mark.parametrize("name", ["good_spooled", "evicted_then_finished", "starter_killed"])
def test_execution_point_is_named(name):
    """The event has its name, not its address."""
    assert {event.host for event in events_of(name) if isinstance(event, Executing)} == {"ep1.example.org"}


def test_shadow_exception_has_its_reason(log):
    """The log is not recorded, but has the format of a recorded one."""
    path, reader = log
    append(
        path,
        b"007 (175.000.000) 2026-11-21 08:35:20.290 Shadow exception!\n\tno space left on the access point\n"
        b"\t0  -  Run Bytes Sent By Job\n\t0  -  Run Bytes Received By Job\n...\n",
    )
    assert reader.read() == [ShadowException("175.0", "no space left on the access point")]


def test_log_without_news_gives_nothing(log):
    path, reader = log
    assert reader.read() == []
    append(path, recorded("good_unspooled"))
    assert len(reader.read()) > 0
    assert reader.read() == []


@pytest.mark.parametrize("name", EXPECTED)
def test_log_is_read_while_it_is_written(name, log):
    """The events come one after the other, each exactly once."""
    path, reader = log
    events = []
    for text in recorded(name).split(b"...\n")[:-1]:
        append(path, text + b"...\n")
        events += reader.read()
    assert events == events_of(name)


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(b"\n005 (175.000.000) 2026", id="in the first line"),
        pytest.param(b"Job terminated.\n", id="after the first line"),
        pytest.param(b"Run Bytes Sent By", id="in a later line"),
        pytest.param(b"TimeSlotBusy (s)", id="in the last line"),
    ],
)
def test_event_that_is_not_whole_yet_is_read_when_it_is(last, log):
    """A read between the two halves of a write neither loses nor repeats an event."""
    path, reader = log
    data = recorded("good_unspooled")
    cut = data.index(last) + len(last)
    append(path, data[:cut])
    events = reader.read()
    assert [type(event) for event in events].count(Terminated) == 0
    append(path, data[cut:])
    assert events + reader.read() == events_of("good_unspooled")


def read_through(reader: EventLog, times: int = 4) -> list[str]:
    """Return the kinds of events that several reads return, without the notes."""
    return [type(event).__name__ for _ in range(times) for event in reader.read() if not isinstance(event, Note)]


def with_in_the_middle(data: bytes) -> bytes:
    """A good log, with *data* after its second event."""
    events = recorded("good_unspooled").split(b"...\n")
    return b"...\n".join([*events[:2], data + b"...\n".join(events[2:])])


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"garbage\n", id="a line"),
        pytest.param(b"garbage\n...\n", id="an event of a kind nobody knows"),
        pytest.param(bytes(100) + b"\n...\n", id="zeros"),
        pytest.param(b"...\n", id="an empty event"),
    ],
)
def test_garbage_costs_no_event(garbage, log):
    """Bytes that a full disk or a network file system leaves in the log do not hide later events."""
    path, reader = log
    append(path, with_in_the_middle(garbage))
    assert read_through(reader) == ["Submitted", "Executing", "Terminated"]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"999 (175.000.000) 2026-11-21 08:35:12.878 Something new\n...\n", id="of a newer HTCondor"),
        pytest.param(b"040 (175.000.000) 2026-11-21 08:35:20.2\n", id="torn"),
    ],
)
def test_event_that_the_bindings_refuse_costs_no_other(bad, log):
    """An event of a newer schedd, or one whose writer was killed, must not fail every future of the session."""
    path, reader = log
    append(path, with_in_the_middle(bad))
    assert read_through(reader) == ["Submitted", "Executing", "Terminated"]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"garbage\n...\n" * 3, id="garbage"),
        pytest.param(b"999 (175.000.000) 2026-11-21 08:35:12.878 Something new\n...\n" * 3, id="of a newer HTCondor"),
        pytest.param(b"040 (175.000.000) 2026-11-21 08:35:20.2\n...\n" + bytes(100) + b"\n...\n", id="torn, zeros"),
    ],
)
def test_all_of_it_is_read_at_once_also_behind_what_stops_a_read(bad, log):
    """A client that attaches treats these events as the past, and later ones as news."""
    path, reader = log
    append(path, with_in_the_middle(bad))
    kinds = [type(event).__name__ for event in reader.read_all() if not isinstance(event, Note)]
    assert kinds == ["Submitted", "Executing", "Terminated"]
    assert read_through(reader) == []


@pytest.mark.parametrize("cut", [0, 7, -20], ids=["nothing", "in the first line", "in the last event"])
def test_reading_all_of_it_ends_where_it_is_not_whole_yet(cut, log):
    path, reader = log
    data = recorded("good_unspooled")
    append(path, data[:cut])
    events = reader.read_all()
    append(path, data[cut:])
    assert events + reader.read_all() == events_of("good_unspooled")


class Unreadable:
    """A substitute for HTCondor's reader that must not be asked for events."""

    def close(self) -> None:
        """The method of HTCondor's reader."""


@pytest.mark.parametrize("data", [recorded("good_unspooled"), recorded("good_unspooled")[:7]], ids=["whole", "torn"])
def test_log_without_news_is_not_read(data, log):
    """HTCondor's reader waits a second for the rest of an incomplete first line, each time that it is asked."""
    path, reader = log
    append(path, data)
    while reader.read():
        pass
    reader._log.close()
    reader._log = Unreadable()
    assert reader.read() == []


def test_log_that_is_emptied_goes_on(log):
    """Later events are read from the first one on."""
    path, reader = log
    append(path, recorded("good_unspooled"))
    assert read_through(reader)
    path.write_bytes(b"")
    assert reader.read() == []
    append(path, recorded("good_unspooled"))
    assert read_through(reader) == ["Submitted", "Executing", "Terminated"]


@pytest.mark.parametrize("number", [errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.EACCES, errno.ENOENT])
def test_file_system_that_does_not_answer_says_nothing(log, monkeypatch, number):
    """The condition may pass. The queue reports what the log does not."""
    path, reader = log
    append(path, recorded("good_spooled"))

    def away(*_, **__):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", away)
        assert reader.read() == []
    assert reader.read() == events_of("good_spooled")


def test_log_that_is_replaced_while_it_cannot_be_opened_goes_on(log, monkeypatch):
    """For example, too many files are open."""
    path, reader = log
    append(path, recorded("nonzero_exit"))
    reader.read()
    (path.parent / "other").write_bytes(recorded("good_spooled"))
    (path.parent / "other").replace(path)

    def refuse(_):
        raise htcondor2.HTCondorException("File not found")

    with monkeypatch.context() as patch:
        patch.setattr(htcondor2, "JobEventLog", refuse)
        assert reader.read() == []
    assert reader.read() == events_of("good_spooled")


def test_log_that_is_replaced_goes_on(log):
    """It may also have been missing for some time."""
    path, reader = log
    append(path, recorded("good_unspooled"))
    assert read_through(reader)
    path.rename(path.with_suffix(".old"))
    assert reader.read() == []
    append(path, recorded("good_unspooled"))
    assert read_through(reader) == ["Submitted", "Executing", "Terminated"]


def test_log_that_is_cut_in_the_middle_is_read_again_when_it_is_longer(log):
    """Events written until then are lost. The queue has to report them."""
    path, reader = log
    append(path, recorded("good_unspooled"))
    assert read_through(reader)
    path.write_bytes(path.read_bytes()[:1000])
    assert reader.read() == []
    while path.stat().st_size < 10_000:
        append(path, recorded("good_unspooled"))
        read_through(reader)
    append(path, recorded("good_unspooled"))
    assert read_through(reader) == ["Submitted", "Executing", "Terminated"]
