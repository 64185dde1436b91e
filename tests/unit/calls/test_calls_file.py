"""Calls become bytes, and outcomes become values or one clear error.

Bytes that the runner did not write are refused.
"""

from __future__ import annotations

import functools
import io
import json
import pickle
import threading
import tracemalloc
from concurrent.futures import Future

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures.calls.calls_file import Call, Manner, append_value, copy_outcome, write_bundle
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import (
    BrokenCondorExecutor,
    DependencyError,
    JobCrashedError,
    OutcomeError,
    PayloadError,
    PythonMismatchError,
    RemoteExceptionError,
)
from condor_futures.execution_point.frames import MAGIC, read_frames, skim, write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.resolving.failures import signal_name, value_or_error

SESSION, SECRET = "20260101-000000-0a1b2c3d", bytes(range(32))


# Futures among the arguments.


def test_call_knows_the_futures_of_function_and_arguments():
    one, two = Future(), Future()
    keys = {one: "c000001", two: "c000002"}
    function = pickle_object(functools.partial(pow, one), "function", keys.__getitem__)
    arguments = pickle_object(((two, one), {}), "(args, kwargs)", keys.__getitem__)
    assert Call("c000003", function, arguments).futures == {"c000001": one, "c000002": two}


def test_outcome_of_a_parent_is_copied_as_it_is(outcomes):
    """The copy is byte by byte: the next call reads what the execution point signed.

    Nothing is unpickled on the way.
    """
    file = io.BytesIO()
    copy_outcome(file, "c000001", outcomes)
    [(header, segments)] = frames_of(file.getvalue())
    assert (header["call"], pickle.loads(segments[0])) == ("c000001", "second")
    assert outcomes.read_bytes().endswith(file.getvalue())


def test_large_outcome_of_a_parent_is_copied_whole(tmp_path):
    path = tmp_path / "b000000.outcomes"
    with path.open("wb") as file:
        write_outcome(file, "c000000", bytes(3_000_000))
        write_outcome(file, "c000001", "next")
    copy = io.BytesIO()
    copy_outcome(copy, "c000000", path)
    assert pickle.loads(frames_of(copy.getvalue())[0][1][0]) == bytes(3_000_000)


def test_outcome_of_a_parent_that_is_gone_is_an_error(outcomes):
    for key, path in (("c000009", outcomes), ("c000000", outcomes.with_name("gone"))):
        with pytest.raises(OutcomeError, match=key):
            copy_outcome(io.BytesIO(), key, path)


def test_value_of_a_future_of_another_executor_is_appended():
    """The value is on the client, so the client pickles it like an outcome of a job."""
    file = io.BytesIO()
    append_value(file, "x000001", {"a": 1}, session=SESSION, secret=SECRET)
    [(header, segments)] = frames_of(file.getvalue())
    assert (header["kind"], header["call"], header["result"]) == ("outcome", "x000001", "value")
    assert pickle.loads(segments[0]) == {"a": 1}
    with pytest.raises(PayloadError, match=r"\[0\] cannot be pickled"):
        append_value(io.BytesIO(), "x000002", [threading.Lock()], session=SESSION, secret=SECRET)


# Bundles.


def pickled_call(key, function, *args):
    return Call(key, function, pickle_object((args, {}), "(args, kwargs)"))


def frames_of(data: bytes):
    return list(read_frames(io.BytesIO(data), SECRET))


def bundle_of(calls, **options) -> bytes:
    file = io.BytesIO()
    write_bundle(file, calls, session=SESSION, bundle="b000000", secret=SECRET, manner=Manner(**options))
    return file.getvalue()


def test_function_that_calls_share_is_written_once():
    """map() with a large closure sends it once per job, not once per call."""
    shared, other = pickle_object(lambda: b"\x99" * 10_000, "f"), pickle_object(len, "f")
    data = bundle_of([pickled_call(f"c{n}", shared if n != 2 else other, n) for n in range(5)])
    assert data.count(bytes(shared.segments[0])) == 1
    headers = [header for header, _ in frames_of(data)]
    assert [header["kind"] for header in headers] == ["bundle", "function", "call", "call", "function", *["call"] * 3]
    assert [header["function"] for header in headers if header["kind"] == "call"] == [0, 0, 1, 0, 0]


def test_bundle_has_what_the_runner_needs():
    initializer = pickle_object((print, ()), "initializer")
    data = bundle_of(
        [pickled_call("c1", pickle_object(len, "f"), "abc")],
        initializer=initializer,
        max_tasks_per_child=3,
    )
    (head, segments), _, (_, arguments) = frames_of(data)
    assert (head["session"], head["bundle"], head["secret"]) == (SESSION, "b000000", SECRET.hex())
    assert head["cloudpickle"] == cloudpickle.__version__
    assert head["max_tasks_per_child"] == 3
    assert [bytes(segment) for segment in initializer.segments] == segments
    assert pickle.loads(arguments[0]) == (("abc",), {})


# Outcomes.


def write_outcome(file, call, value, *, result="value", session=SESSION, secret=SECRET, **details):
    header = {"kind": "outcome", "session": session, "call": call, "result": result, "host": "ep1", **details}
    write_frame(file, secret, header, dumps(value))


@pytest.fixture
def outcomes(tmp_path):
    """A file with two outcomes. The function reads it again after a change."""
    path = tmp_path / "b000000.outcomes"
    with path.open("wb") as file:
        write_outcome(file, "c000000", "first")
        write_outcome(file, "c000001", "second")
    return path


def read(path, **options):
    return read_outcomes(path, **{"session": SESSION, "secret": SECRET, **options})


def values(found) -> dict:
    return {key: value_or_error(outcome, "7.0") for key, outcome in found.items()}


def test_outcomes_are_read(outcomes):
    found, trouble = read(outcomes)
    assert trouble is None
    assert values(found) == {"c000000": ("first", None), "c000001": ("second", None)}


def test_file_that_is_not_there_holds_none(tmp_path):
    assert read(tmp_path / "b000000.outcomes") == ({}, None)


def test_outcome_file_that_cannot_be_read_is_trouble(tmp_path):
    found, trouble = read(tmp_path)
    assert found == {}
    assert "is not a regular file" in trouble


def test_tampered_byte_is_refused_wherever_it_is(outcomes):
    """Every byte counts: its outcome and all later ones are not read, and earlier ones are."""
    data = outcomes.read_bytes()
    second = data.rindex(MAGIC)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x55
        outcomes.write_bytes(changed)
        found, trouble = read(outcomes)
        assert list(found) == (["c000000"] if position >= second else []), position
        assert trouble, position


@given(st.data())
def test_no_change_gives_another_value(tmp_path_factory, data):
    """If any bytes anywhere are replaced, the values are the true ones or missing."""
    file = io.BytesIO()
    write_outcome(file, "c000000", "first")
    write_outcome(file, "c000001", "second")
    whole = file.getvalue()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    path = tmp_path_factory.mktemp("outcomes") / "b000000.outcomes"
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=50)) + whole[end:])
    found, _ = read(path)
    true = {"c000000": ("first", None), "c000001": ("second", None)}
    assert values(found).items() <= true.items()


def test_truncation_is_noticed_at_every_length(outcomes):
    """Only whole frames count. A file that ends between two frames is not an error."""
    data = outcomes.read_bytes()
    second = data.rindex(MAGIC)
    for length in range(len(data)):
        outcomes.write_bytes(data[:length])
        found, trouble = read(outcomes)
        assert list(found) == (["c000000"] if length >= second else []), length
        assert (trouble is None) == (length in (0, second)), length


def forged(head: bytes) -> bytes:
    return MAGIC + len(head).to_bytes(4, "big") + head + bytes(100)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(MAGIC + b"\xff" * 100, id="a header of 4 GB"),
        pytest.param(
            forged(b'{"segments": [%d]}' % (1 << 60)),
            id="a segment of an exabyte",
        ),
        pytest.param(
            forged(b'{"segments": [%d]}' % (1 << 100)),
            id="a segment of more than there is",
        ),
        pytest.param(
            forged(b'{"segments": [], "a": ' + b"[" * 100_000),
            id="a header without end",
        ),
    ],
)
def test_forged_header_is_refused_like_any_other(outcomes, data):
    """The client reads it before it can recognise a forgery.

    It neither allocates the claimed size nor follows the header.
    """
    outcomes.write_bytes(outcomes.read_bytes() + data)
    found, trouble = read(outcomes)
    assert list(found) == ["c000000", "c000001"]
    assert trouble
    with outcomes.open("rb") as file:
        assert [header["call"] for header, _, _ in skim(file)] == ["c000000", "c000001"]


@pytest.mark.parametrize(
    "data",
    [
        MAGIC + (300_000_000).to_bytes(4, "big") + b"{",
        forged(b'{"segments": [0, 300000000]}'),
        forged(b'{"segments": [300000000]}'),
    ],
    ids=["header", "buffer", "pickle"],
)
def test_no_memory_is_taken_for_what_a_forgery_claims(outcomes, data):
    outcomes.write_bytes(outcomes.read_bytes() + data)
    tracemalloc.start()
    try:
        found, trouble = read(outcomes)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert (list(found), bool(trouble)) == (["c000000", "c000001"], True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = ["kind", "session", "call", "result", "host", "traceback", "message", "type_name", "stdout", "signal", "stage"]
odd_headers = st.fixed_dictionaries(
    {"kind": st.just("outcome") | anything, "session": st.just(SESSION) | anything},
    optional={
        **dict.fromkeys(names[2:], anything | st.text(max_size=8)),
        "result": st.sampled_from(["value", "exception", "initializer", "crashed", "python", "dependency"]) | anything,
        "call": st.just("c000002") | anything,
        "host": st.just("ep1") | anything,
    },
)


@given(data=st.binary(max_size=80) | (anything | odd_headers).map(lambda header: forged(json.dumps(header).encode())))
def test_whatever_is_appended_costs_nothing_that_was_there(tmp_path_factory, data):
    """Bytes, or headers of any kind: earlier outcomes count, and the only error says what is wrong."""
    path = tmp_path_factory.mktemp("outcomes") / "b000000.outcomes"
    with path.open("wb") as file:
        write_outcome(file, "c000000", "first")
        file.write(data)
    found, trouble = read(path)
    assert values(found) == {"c000000": ("first", None)}
    assert bool(trouble) == bool(data)


@given(header=odd_headers)
def test_an_authentic_outcome_may_say_anything(tmp_path_factory, header):
    """A call can find the secret. A malformed outcome is refused.

    A well-formed one is unpickled like others, or fails like them.
    """
    path = tmp_path_factory.mktemp("outcomes") / "b000000.outcomes"
    with path.open("wb") as file:
        write_outcome(file, "c000000", "first")
        write_frame(file, SECRET, header, dumps("second"))
    found, trouble = read(path)
    assert values(found).pop("c000000") == ("first", None)
    assert trouble or header["call"] in found
    assert [info for outcome in found.values() for info in outcome.stream_ranges.values() if len(info) != 2] == []


def test_a_call_whose_parent_has_no_value_depends_on_it(tmp_path):
    """A client that attaches learns this after the job has."""
    path = tmp_path / "b000000.outcomes"
    with path.open("wb") as file:
        write_outcome(file, "c000003", None, result="dependency", parent="c000001")
        write_outcome(file, "c000004", None, result="dependency", parent="x7f00")
    ours, strangers = (error for _, error in values(read(path)[0]).values())
    assert type(ours) is type(strangers) is DependencyError
    assert "the value of the call c000001, an argument of this call" in str(ours)
    assert "the value of another executor's future, an argument of this call" in str(strangers)


def test_outcomes_of_another_session_are_refused(outcomes):
    """They are refused even with the right tag. Sessions do not share a secret, but the check does not rely on that."""
    found, trouble = read(outcomes, session="20260101-000000-ffffffff")
    assert (found, trouble) == ({}, "it has a record that is not an outcome of this session")


def test_outcomes_with_another_secret_are_refused(outcomes):
    found, trouble = read(outcomes, secret=bytes(32))
    assert found == {}
    assert "altered" in trouble


def test_outcome_of_another_session_in_the_file_is_refused(outcomes):
    """An outcome from another session's file ends the reading. Earlier outcomes count."""
    with outcomes.open("ab") as file:
        write_outcome(file, "c000002", "foreign", session="another", secret=bytes(32))
    found, trouble = read(outcomes)
    assert list(found) == ["c000000", "c000001"]
    assert trouble


def test_calls_frame_is_no_outcome(outcomes):
    """The client's own frames also have the session's tag, but their headers give their kind."""
    outcomes.write_bytes(bundle_of([pickled_call("c000000", pickle_object(len, "f"), "abc")]))
    found, trouble = read(outcomes)
    assert found == {}
    assert trouble


def test_nothing_is_unpickled_before_it_is_authentic(outcomes):
    """The pickle of a forged outcome, which would run its code, is never read."""

    class Bomb:
        def __reduce__(self):
            return exec, ("raise SystemExit('unpickled')",)

    with outcomes.open("wb") as file:
        header = {"kind": "outcome", "session": SESSION, "call": "c000000", "result": "value", "host": "ep1"}
        write_frame(file, bytes(32), header, [pickle.dumps(Bomb())])
    assert read(outcomes)[0] == {}


def outcome_of(tmp_path, value, result, **details):
    path = tmp_path / "b000000.outcomes"
    with path.open("wb") as file:
        write_outcome(file, "c000000", value, result=result, **details)
    return read(path)[0]["c000000"]


TOLD = {"type_name": "module.MyError", "message": "the message", "traceback": "Traceback ...\n"}


def test_exception_has_where_it_was_raised(tmp_path):
    value, error = value_or_error(outcome_of(tmp_path, KeyError("key"), "exception", **TOLD), "7.0")
    assert value is None
    assert isinstance(error, KeyError)
    assert (error.__cause__.text, error.__cause__.host, error.__cause__.job_id) == ("Traceback ...\n", "ep1", "7.0")


def test_exception_that_came_as_text(tmp_path):
    _, error = value_or_error(outcome_of(tmp_path, None, "exception", **TOLD), "7.0")
    assert isinstance(error, RemoteExceptionError)
    assert error.type_name == "module.MyError"
    assert "module.MyError" in str(error)
    assert "the message" in str(error)


def test_failed_initializer_breaks_the_executor(tmp_path):
    _, error = value_or_error(outcome_of(tmp_path, OSError("no license"), "initializer", **TOLD), "7.0")
    assert isinstance(error, BrokenCondorExecutor)
    assert "the message" in str(error)
    assert isinstance(error.__cause__, OSError)


@pytest.mark.parametrize(
    ("details", "parts"),
    [
        ({"signal": 9, "stage": "c000000"}, ["was killed by SIGKILL (signal 9)"]),
        ({"signal": 64, "stage": "c000000"}, ["was killed by", "64"]),
        ({"exit_status": 3, "stage": "c000000"}, ["exited with status 3"]),
        ({"exit_status": 1, "stage": "start"}, ["exited with status 1", "before it could make the call"]),
        ({"signal": 11, "stage": "initializer"}, ["SIGSEGV", "in the initializer"]),
    ],
)
def test_crash_says_how_and_when(tmp_path, details, parts):
    _, error = value_or_error(outcome_of(tmp_path, None, "crashed", **details), "7.0", "the tail")
    assert isinstance(error, JobCrashedError)
    assert (error.signal, error.exit_status) == (details.get("signal"), details.get("exit_status"))
    assert (error.job_id, error.stderr_tail) == ("7.0", "the tail")
    for part in [*parts, "7.0", "ep1"]:
        assert part in str(error)


def test_mismatch_names_both_versions(tmp_path):
    details = {"here": "3.6", "wanted": "3.11", "executable": "/usr/bin/python3"}
    _, error = value_or_error(outcome_of(tmp_path, None, "python", **details), "7.0")
    assert isinstance(error, PythonMismatchError)
    assert error.job_id == "7.0"
    for part in ("3.6", "3.11", "/usr/bin/python3", "ep1"):
        assert part in str(error)


@pytest.mark.parametrize("raised", ["ValueError", "SystemExit", "KeyboardInterrupt"])
def test_value_whose_unpickling_raises_is_refused(tmp_path, raised):
    """Unpickling runs the user's code, which may raise anything. The thread continues."""

    class Raises:
        def __reduce__(self):
            return exec, (f"raise {raised}('in unpickling')",)

    value, error = value_or_error(outcome_of(tmp_path, Raises(), "value"), "7.0")
    assert value is None
    assert isinstance(error, OutcomeError)
    assert "7.0" in str(error)
    assert type(error.__cause__).__name__ == raised


class GuardedError(Exception):
    """Its class does not allow a cause."""

    __cause__ = property(lambda self: None)


def test_exception_whose_class_hides_its_cause_is_the_calls_own(tmp_path):
    """It does not affect the errors of other calls either."""
    about = {"traceback": "Traceback ...\n", "host": "ep1", "type_name": "GuardedError", "message": "no"}
    value, error = value_or_error(outcome_of(tmp_path, GuardedError("no"), "exception", **about), "7.0")
    assert value is None
    assert type(error) is GuardedError
    assert vars(BaseException)["__cause__"].__get__(error).text == "Traceback ...\n"


def test_signal_without_a_name_has_its_number():
    assert signal_name(99) == "signal 99"
