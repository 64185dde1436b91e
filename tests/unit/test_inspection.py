"""Inspection shows the content of files of calls and outcomes, and runs nothing in them that is not authentic."""

from __future__ import annotations

import functools
import json
import os
import pickle
from concurrent.futures import Future
from pathlib import Path

import pytest

from condor_futures import procid
from condor_futures.calls.calls_file import Call, Manner, append_value, write_bundle
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import CondorFuturesError
from condor_futures.execution_point.frames import MAGIC, read_frames, write_frame
from condor_futures.inspection import Placeholder, find_job, inspect_file
from condor_futures.session.session import Session


class Malicious:
    """Unpickling it creates a file."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence

    def __reduce__(self):
        return os.mkdir, (str(self.evidence),)


class Unknown:
    """The process that unpickles it cannot import its class."""

    def __reduce__(self):
        return Unpicklable, ()


def Unpicklable():  # noqa: N802 - it stands for a class
    raise ImportError("no module named orchard")


@pytest.fixture
def session(tmp_path):
    return Session.create(tmp_path / "session")


def call(key, function, /, *args, key_of=lambda future: future.key, numbered=False, number=None, **kwargs):
    arguments = pickle_object((args, kwargs), "arguments", key_of, numbered=numbered)
    return Call(key, pickle_object(function, "function"), arguments, number)


def write_calls(session, calls, secret=None, **options) -> Path:
    path = session.bundle_directory(0) / "b000000.calls"
    with path.open("wb") as file:
        write_bundle(
            file, calls, session=session.id, bundle="b000000", secret=secret or session.secret, manner=Manner(**options)
        )
    return path


def write_outcome(session, key, value, *, secret=None, result="value", **details) -> Path:
    path = session.bundle_directory(0) / "b000000.outcomes"
    with path.open("ab") as file:
        header = {"kind": "outcome", "session": session.id, "call": key, "result": result, "host": "ep17", **details}
        write_frame(file, secret or session.secret, header, [pickle.dumps(value)])
    return path


def test_calls_are_shown_with_function_and_arguments(session):
    found = inspect_file(write_calls(session, [call("c000000", len, [1, 2]), call("c000001", max, 3, 4, key=abs)]))
    first, second = found.calls
    assert (first.key, first.function, first.args, first.kwargs) == ("c000000", len, ([1, 2],), {})
    assert (second.function, second.args, second.kwargs) == (max, (3, 4), {"key": abs})
    assert (found.session, found.bundle, found.distrust) == (session.id, "b000000", None)


def test_outcomes_are_shown_with_values_exceptions_and_where_they_came_about(session):
    write_outcome(session, "c000000", {"a": 1})
    path = write_outcome(session, "c000001", ValueError("no"), result="exception", traceback="Traceback ...")
    value, error = inspect_file(path).outcomes
    assert (value.key, value.result, value.value, value.host) == ("c000000", "value", {"a": 1}, "ep17")
    assert (error.result, repr(error.value), error.traceback) == ("exception", "ValueError('no')", "Traceback ...")


def test_values_of_other_calls_are_references_and_follow_the_calls(session):
    """The calls may be at any depth. Their outcomes are appended to the file."""
    parent = Future()
    parent.key = "c000003"
    path = write_calls(session, [call("c000004", sum, [parent, 1])])
    with path.open("ab") as file:
        append_value(file, "c000003", 7, session=session.id, secret=session.secret)
    found = inspect_file(path)
    assert repr(found.calls[0].args) == "([<value of call c000003>, 1],)"
    assert [(outcome.key, outcome.value) for outcome in found.outcomes] == [("c000003", 7)]


def test_number_in_the_cluster_is_the_calls_own(session):
    found = inspect_file(write_calls(session, [call("c000000", abs, [procid], numbered=True, number=5)]))
    assert found.calls[0].args == ([5],)


def test_initializer_comes_first(session):
    initializer = pickle_object((print, ("ready",)), "initializer")
    first, _ = inspect_file(write_calls(session, [call("c000000", abs, 1)], initializer=initializer)).calls
    assert (first.key, first.function, first.args) == ("initializer", print, ("ready",))


def test_what_cannot_be_unpickled_here_says_why(session):
    found = inspect_file(write_calls(session, [call("c000000", abs, Unknown()), call("c000001", abs, 2)]))
    assert found.calls[0].args == Placeholder("cannot be unpickled here: ImportError: no module named orchard")
    assert found.calls[1].args == (2,)


def not_authentic(session, evidence, how) -> Path:
    """A file with a malicious call that is not authentic, for one of the possible reasons."""
    secret = bytes(32) if how == "another secret" else None
    path = write_calls(session, [call("c000000", abs, Malicious(evidence))], secret=secret)
    about = session.directory / "session.json"
    if how == "altered":
        data = path.read_bytes()
        path.write_bytes(data.replace(b"c000000", b"c000001"))
    elif how == "no session.json":
        about.unlink()
    elif how == "session.json of a stranger":
        os.chown(about, 12345, -1)
    elif how == "session.json that others can read":
        about.chmod(0o644)
    elif how == "session.json that is a link":
        about.rename(session.directory / "other.json")
        about.symlink_to(session.directory / "other.json")
    elif how == "session.json without a secret":
        about.write_text(json.dumps({"id": session.id, "secret": ""}))
    elif how == "moved":
        path = path.rename(session.directory / "b000000.calls")
    return path


REASONS = {
    "another secret": "the file is not authentic from byte 0 on",
    "altered": " on: it is truncated or altered",
    "no session.json": "it has no session.json",
    "session.json of a stranger": "it belongs to the uid 12345",
    "session.json that others can read": "its mode is 0644, not 0600",
    "session.json that is a link": "cannot be read",
    "session.json without a secret": "session.json is damaged",
    "moved": "it has no session.json",
}


@pytest.mark.parametrize("how", REASONS)
def test_nothing_runs_that_is_not_authentic(session, tmp_path, how):
    """The headers describe the call, with the reason. Only trust= unpickles it."""
    if how == "session.json of a stranger" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    evidence = tmp_path / "evidence"
    path = not_authentic(session, evidence, how)
    found = inspect_file(path)
    assert not evidence.exists()
    assert REASONS[how] in found.distrust
    assert repr(found.calls[0].args) == "<not unpickled>"
    assert not found.calls[0].authentic
    trusted = inspect_file(path, trust=True)
    assert evidence.exists()
    assert REASONS[how] in trusted.distrust


def test_authentic_frames_before_one_that_is_not_are_unpickled(session, tmp_path):
    evidence = tmp_path / "evidence"
    write_outcome(session, "c000000", 1)
    path = write_outcome(session, "c000001", Malicious(evidence), secret=bytes(32))
    first, second = inspect_file(path).outcomes
    assert (first.value, first.authentic) == (1, True)
    assert (repr(second.value), second.authentic) == ("<not unpickled>", False)
    assert not evidence.exists()


def test_secret_in_the_file_itself_proves_nothing(session, tmp_path):
    """Calls carry their session's secret to the execution point. A forged file carries its own matching secret."""
    evidence = tmp_path / "evidence"
    path = not_authentic(session, evidence, "another secret")
    with path.open("rb") as file:
        assert len(list(read_frames(file))) == 3  # it matches
    inspect_file(path)
    assert not evidence.exists()


@pytest.mark.parametrize("length", [10**12, 10**30])
def test_lengths_that_cannot_be_end_the_file(session, length):
    path = write_outcome(session, "c000000", 1, secret=bytes(32))
    head = json.dumps({"kind": "outcome", "segments": [length]}).encode()
    with path.open("ab") as file:
        file.write(MAGIC + len(head).to_bytes(4, "big") + head)
    assert len(inspect_file(path, trust=True).outcomes) == 1


def test_headers_may_say_anything(session):
    path = session.bundle_directory(0) / "b000000.outcomes"
    with path.open("wb") as file:
        for header in ({"kind": "outcome", "call": [1], "host": 5}, {"kind": []}, {"kind": "call", "function": "x"}):
            write_frame(file, bytes(32), header, [b"x"])
    found = inspect_file(path)
    assert [(outcome.key, outcome.host) for outcome in found.outcomes] == [("?", "")]
    assert repr(found.calls[0].function) == "<a function that is missing from the file>"


def test_other_files_are_refused(session):
    path = session.bundle_directory(0) / "notes"
    path.write_text("not frames")
    with pytest.raises(CondorFuturesError, match="holds neither calls nor outcomes"):
        inspect_file(path)
    path.write_text("")
    assert list(inspect_file(path).outcomes) == []  # a job that has just started


def test_what_is_no_regular_file_is_refused(tmp_path):
    """Opening a pipe would block. A link is treated like its target."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", "."):
        with pytest.raises(CondorFuturesError, match="it is not a regular file"):
            inspect_file(tmp_path / name)


def test_numpy_like_buffers_come_back(session):
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(1000.0)
    found = inspect_file(write_calls(session, [call("c000000", functools.partial(sum, start=1), array)]))
    assert (found.calls[0].args[0] == array).all()
    assert found.calls[0].function.keywords == {"start": 1}


SUBMITTED = """\
000 (012.003.000) 2026-11-21 11:28:26.000 Job submitted from host: <127.0.0.1:9618>
    [ JobBatchName = "condor_futures 20261121-112825-099fb5bf" ]
    bundle=b000000
...
"""


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_job_is_found_by_its_submit_event(session, state):
    session.event_log.write_text(SUBMITTED)
    path = write_calls(session, [call("c000000", abs, 1)])
    assert find_job("12.3", session.directory) == [path]
    with pytest.raises(CondorFuturesError, match=r"there is no job 12\.4 in"):
        find_job("12.4", session.directory)
    path.unlink()
    with pytest.raises(CondorFuturesError, match=r"have been removed from "):
        find_job("12.3", session.directory)


def test_job_is_the_last_one_that_had_its_id(session):
    """Its event may follow unreadable bytes."""
    session.event_log.write_text(SUBMITTED + "garbage\n...\n" + SUBMITTED.replace("b000000", "b000001"))
    write_calls(session, [call("c000000", abs, 1)])
    with pytest.raises(CondorFuturesError, match=r"b000001\.\*, have been removed from"):
        find_job("12.3", session.directory)


def test_session_without_events_says_that_they_were_never_written(session):
    """A remote access point writes no events either."""
    with pytest.raises(CondorFuturesError, match="the event log of the session is empty"):
        find_job("12.3", session.directory)


def test_job_of_a_dag_is_found_in_the_log_of_its_nodes(session):
    """The session's own log is then empty."""
    (session.directory / "analysis.dag.nodes.log").write_text(SUBMITTED)
    path = write_calls(session, [call("c000000", abs, 1)])
    assert find_job("12.3", session.directory) == [path]
    with pytest.raises(
        CondorFuturesError, match=r"there is no job 12\.4 in .*: DAGMan's log has only the jobs of the DAG's last run"
    ):
        find_job("12.4", session.directory)


def test_log_whose_name_is_no_text_is_told(session, tmp_path):
    """HTCondor accepts no such name, but the session was moved there."""
    moved = session.directory.rename(tmp_path / os.fsdecode(b"\xff"))
    with pytest.raises(CondorFuturesError, match="its name cannot be encoded"):
        find_job("12.3", moved)


def test_job_is_looked_for_in_all_sessions(state):
    """Jobs of two access points may have the same number."""
    first, second = Session.create(), Session.create()
    first.event_log.write_text(SUBMITTED)
    path = write_calls(first, [call("c000000", abs, 1)])
    assert find_job("12.3") == [path]
    second.event_log.write_text(SUBMITTED)
    with pytest.raises(CondorFuturesError, match="several sessions have a job"):
        find_job("12.3")


def test_job_of_another_form_and_session_that_is_none_are_refused(tmp_path, state):
    with pytest.raises(CondorFuturesError, match=r"cluster\.proc"):
        find_job("b000000.calls")
    with pytest.raises(CondorFuturesError, match="there is no session in"):
        find_job("12.3", tmp_path)
    with pytest.raises(CondorFuturesError, match="--session"):
        find_job("12.3")


def test_note_that_leads_elsewhere_is_no_bundle(session):
    session.event_log.write_text(SUBMITTED.replace("b000000", "../../../x"))
    with pytest.raises(CondorFuturesError, match="there is no job"):
        find_job("12.3", session.directory)
