"""Calls that wait in their file are handed out one by one, each with all that it needs."""

from __future__ import annotations

import contextlib
import io
import os
import pickle

import pytest
from line_files import WARM, initializer, write_calls

from condor_futures.calls.calls_file import Manner, append_value
from condor_futures.calls.stored_calls import HandOut, StoredCalls, bundle_secret
from condor_futures.execution_point.frames import FrameError, read_frames
from condor_futures.future import CondorFuture
from condor_futures.session.session import Session


@pytest.fixture
def session(tmp_path):
    session = Session.create(tmp_path / "session")
    yield session
    session.remove()


SECRET = bundle_secret(bytes(32), "b000009")


def frames(data, secret=SECRET):
    return list(read_frames(io.BytesIO(data), secret))


def words(data):
    """What is handed out, in words."""
    return [header["kind"] + header.get("call", "") + str(header.get("function", "")) for header, _ in frames(data)]


def stored(session, number, calls, **options):
    return StoredCalls(write_calls(session, number, calls, **options).path("calls"))


def test_the_keys_are_in_the_order_of_the_calls(session):
    made = stored(session, 0, ["c000002", "c000000", "c000001"])
    assert made.calls == ("c000002", "c000000", "c000001")
    assert (made.head["bundle"], made.head["session"]) == ("b000000", session.id)


def test_a_function_is_handed_out_once(session):
    """Calls of other bundles have it too, if its pickle is equal."""
    first = stored(session, 0, [f"c{n}" for n in range(4)], functions=(abs, bool))
    second = stored(session, 1, ["d0", "d1"], functions=(bool, int))
    out = HandOut(SECRET)
    first.hand_out(["c0", "c2"], out)
    assert words(out.take()) == ["function", "callc00", "callc20"]
    first.hand_out(["c3"], out)
    second.hand_out(["d0", "d1"], out)
    assert words(out.take()) == ["function", "callc31", "calld01", "function", "calld12"]
    assert out.take() == b""


def test_a_call_is_handed_out_as_it_was_written(session):
    """Only the number of its function is another, and the secret is that of the job's bundle."""
    made = stored(session, 0, {"c0": 5, "c1": b"x" * 1000})
    out = HandOut(SECRET)
    made.hand_out(["c1", "c0"], out)
    data = out.take()
    values = [pickle.loads(segments[0])[0][0] for header, segments in frames(data) if header["kind"] == "call"]
    assert values == [b"x" * 1000, 5]
    with pytest.raises(FrameError):
        frames(data, session.secret)


def test_values_that_a_call_takes_come_before_it(session):
    """They come for each call that takes them. Those of other calls stay where they are."""
    one, other = CondorFuture("c000007"), CondorFuture("c000008")
    bundle = write_calls(session, 0, {"c0": one, "c1": other, "c2": 3})
    with bundle.path("calls").open("ab") as file:
        for key, value in {"c000007": "seven", "c000008": "eight"}.items():
            append_value(file, key, value, session=session.id, secret=session.secret)
    out = HandOut(SECRET)
    StoredCalls(bundle.path("calls")).hand_out(["c2", "c0", "c1"], out)
    data = out.take()
    assert words(data) == ["function", "callc20", "outcomec000007", "callc00", "outcomec000008", "callc10"]
    values = {header["call"]: segments for header, segments in frames(data) if header["kind"] == "outcome"}
    assert pickle.loads(values["c000007"][0]) == "seven"


def test_bundles_are_alike_whose_calls_one_process_can_make(session):
    """The initializer counts, and how often a process makes a call; the calls do not."""
    kinds = [
        stored(session, 0, ["c0"]).kind,
        stored(session, 1, ["c1", "c2"], functions=(bool,)).kind,
        stored(session, 2, ["c3"], manner=initializer(abs)).kind,
        stored(session, 3, ["c4"], manner=initializer(abs)).kind,
        stored(session, 4, ["c5"], manner=initializer(bool)).kind,
        stored(session, 5, ["c6"], manner=Manner(max_tasks_per_child=1)).kind,
        stored(session, 6, ["c7"], manner=Manner(scratch=True)).kind,
    ]
    assert kinds[0] == kinds[1]
    assert kinds[2] == kinds[3]
    assert len(set(kinds)) == 5


def test_a_bundle_for_their_job_has_their_head_and_a_secret_of_its_own(session):
    made = stored(session, 0, ["c0"], manner=initializer(abs))
    file = io.BytesIO()
    line = {"directory": "/lines/b000009", "warm": 60.0, "lifetime": 3600.0}
    made.write_open(file, "b000009", WARM.record(), line)
    [(head, segments)] = frames(file.getvalue(), bundle_secret(session.secret, "b000009"))
    assert segments == list(made.initializer) != []
    own = {"bundle": "b000009", "secret": bundle_secret(session.secret, "b000009").hex(), "line": line}
    own["objects"] = "/lines/b000009"
    rest = {name: value for name, value in made.head.items() if name not in (*own, "options", "segments")}
    assert head == {**rest, **own, "options": WARM.record(), "segments": head["segments"]}
    assert session.secret.hex() not in str(head)


def test_the_secret_of_a_bundle_tells_nothing_of_others(session):
    secrets = {bundle_secret(session.secret, f"b{n:06d}") for n in range(100)}
    assert len(secrets) == 100
    assert bundle_secret(session.secret, "b000001") in secrets
    assert bundle_secret(bytes(32), "b000001") not in secrets
    assert session.secret not in secrets
    assert {len(secret) for secret in secrets} == {32}


def test_a_call_that_is_altered_or_cut_off_is_not_handed_out(session):
    bundle = write_calls(session, 0, ["c0", "c1"])
    made = StoredCalls(bundle.path("calls"))
    size = bundle.path("calls").stat().st_size
    for left in (size - 1, 1, 0):
        os.truncate(bundle.path("calls"), left)
        with pytest.raises(FrameError):
            made.hand_out(["c1"], HandOut(SECRET))
    altered = write_calls(session, 1, ["c2"])
    with altered.path("calls").open("r+b") as file:
        file.seek(-40, os.SEEK_END)
        file.write(b"!")
    with pytest.raises(FrameError):
        StoredCalls(altered.path("calls")).hand_out(["c2"], HandOut(SECRET))


def test_a_link_is_not_read(session, tmp_path):
    path = write_calls(session, 0, ["c0"]).path("calls")
    link = tmp_path / "link.calls"
    link.symlink_to(path)
    with pytest.raises(OSError):
        StoredCalls(link)


def test_what_is_not_added_as_a_whole_is_forgotten(session):
    """A function of it is handed out again the next time; what came before stays."""
    made = stored(session, 0, ["c0", "c1"], functions=(abs, bool))
    out = HandOut(SECRET)
    made.hand_out(["c0"], out)
    for _ in range(2):
        with contextlib.suppress(ZeroDivisionError), out.whole():
            made.hand_out(["c1"], out)
            raise ZeroDivisionError
    with out.whole():
        made.hand_out(["c1"], out)
    out.add({"kind": "leave"})
    assert words(out.take()) == ["function", "callc00", "function", "callc11", "leave"]
    with contextlib.suppress(ZeroDivisionError), out.whole():
        made.hand_out(["c1"], out)
        raise ZeroDivisionError
    assert out.take() == b""


def test_who_goes_on_knows_the_functions_that_the_job_has(session):
    """The last client was killed while it wrote a frame, which does not count."""
    made = stored(session, 0, ["c0", "c1"], functions=(abs, bool))
    out = HandOut(SECRET)
    made.hand_out(["c0", "c1"], out)
    out.add({"kind": "recall", "calls": 1})
    data = out.take()
    later = HandOut(SECRET)
    assert later.resume(io.BytesIO(data + data[:50])) == len(data)
    made.hand_out(["c1"], later)
    assert words(later.take()) == ["callc11"]
    assert HandOut(SECRET).resume(io.BytesIO(b"")) == 0


def test_what_the_job_wrote_among_the_calls_does_no_harm(session):
    """It knows the secret of its bundle, and can write to its directory."""
    out = HandOut(SECRET)
    out.add({"no": "kind"})
    assert HandOut(SECRET).resume(io.BytesIO(out.take() + b"no frame"))


def test_a_part_for_a_job_of_its_own_has_all_that_its_calls_need(session):
    """Values come after the calls, where the job looks for them, and once."""
    value = CondorFuture("c000007")
    bundle = write_calls(
        session, 0, {"c0": 1, "c1": value, "c2": value, "c3": 4}, functions=(abs, bool), manner=initializer(int)
    )
    with bundle.path("calls").open("ab") as file:
        append_value(file, "c000007", "seven", session=session.id, secret=session.secret)
    made, part = StoredCalls(bundle.path("calls")), io.BytesIO()
    made.write_part(part, "b000008", ["c1", "c2"])
    [(head, segments), *rest] = frames(part.getvalue(), session.secret)
    assert (head["bundle"], head["chunk"], segments) == ("b000008", 0, list(made.initializer))
    assert [header["kind"] + header.get("call", "") + str(header.get("function", "")) for header, _ in rest] == [
        "function",
        "callc10",
        "function",
        "callc21",
        "outcomec000007",
    ]
    assert pickle.loads(rest[0][1][0]) is bool
