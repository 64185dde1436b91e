"""The resolver completes futures in its own thread. Strange behaviour of one call affects no other."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import Future

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.outcomes_file import Outcome
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import OutcomeError, PayloadError
from condor_futures.execution_point.frames import read_frames, write_frame
from condor_futures.execution_point.unpickling import dumps
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.failures import value_or_error
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.session import Session
from condor_futures.state_machine import states


def test_what_a_callback_raises_is_no_business_of_the_other_calls(tmp_path):
    """It may even raise what is no Exception, such as asyncio.CancelledError."""
    session = Session.create(tmp_path / "session")
    tally = Counts()
    resolver = Resolver(session, tally, lambda bundle, error: None)
    resolver.start()
    ended = []
    for number, tell in enumerate([resolver.report, resolver.fail]):
        futures = {key: CondorFuture(key, lambda future: None) for key in ("c000000", "c000001", "c000002")}
        bundle = Bundle(f"b{number}", tmp_path, Options({}, spool=True), futures, states.Job(f"b{number}", True))
        tally.opened([bundle])
        with bundle.path("outcomes").open("wb") as file:
            for key in futures:
                header = {"kind": "outcome", "session": session.id, "call": key, "result": "value", "host": "ep1"}
                write_frame(file, session.secret, header, dumps(key))
        futures["c000000"].add_done_callback(raise_cancelled)
        tell(bundle, states.Report(states.Retrieved("1.0")) if number == 0 else ValueError("all of them"))
        ended += futures.values()
    resolver.close()
    session.remove()
    assert [future.result(0) for future in ended[:3]] == ["c000000", "c000001", "c000002"]
    assert [str(future.exception(0)) for future in ended[3:]] == ["all of them"] * 3
    assert tally.counts() == {"done": 3, "failed": 3}


def test_a_value_that_cannot_be_handed_down_leaves_nothing_of_it(tmp_path):
    """An incomplete frame would hide later ones. Only the calls that take the value fail."""
    session = Session.create(tmp_path / "session")
    resolver = Resolver(session, Counts(), lambda bundle, error: None)
    resolver.start()
    gone, locked, fine = CondorFuture("c000000"), Future(), Future()
    parent = Bundle("b0", session.bundles, Options({}, spool=True), {"c000000": gone}, states.Job("b0", True))
    gone.resolve(1, None)
    with parent.path("outcomes").open("wb") as file:  # truncated since it was read
        header = {"kind": "outcome", "session": session.id, "call": "c000000", "result": "value", "host": "ep1"}
        write_frame(file, session.secret, header, [bytes(3_000_000)])
        file.truncate(2_000_000)
    locked.set_result(threading.Lock())
    fine.set_result("fine")
    child = Bundle("b1", session.bundles, Options({}, spool=True), {}, states.Job("b1", True))
    child.path("calls").write_bytes(b"")
    child.parents = {
        "c1": {"c000000": gone},
        "c2": {"x2": locked},
        "c3": {"x3": fine},
        "c4": {"x3": fine, "x2": locked},
    }
    answers = []
    resolver.hand_down(child, answers.append)
    resolver.close()
    with child.path("calls").open("rb") as file:
        assert [header["call"] for header, _ in read_frames(file, session.secret)] == ["x3"]
    session.remove()
    [failed] = answers
    assert {call: type(error) for call, error in failed.items()} == {
        "c1": OutcomeError,
        "c2": PayloadError,
        "c4": PayloadError,
    }


def raise_cancelled(future):
    raise asyncio.CancelledError


class OddError(Exception):
    """Its str() fails."""

    def __str__(self):
        return self.nothing

    def __reduce__(self):
        raise OddError


def raise_odd():
    raise OddError


def test_an_exception_without_a_text_is_an_error_all_the_same(tmp_path):
    """The exception may be that of a parent, of unpickling, or of pickling."""
    session = Session.create(tmp_path / "session")
    resolver = Resolver(session, Counts(), lambda bundle, error: None)
    resolver.start()
    future = CondorFuture("c000000", lambda future: None)
    bundle = Bundle("b0", tmp_path, Options({}, spool=True), {"c000000": future}, states.Job("b0", True))
    resolver.fail_call(bundle, "c000000", OddError())
    resolver.close()
    session.remove()
    assert str(future.exception(0)) == "a call that this one depends on raised OddError: (its __str__() failed)"
    outcome = Outcome("c000000", "value", {"host": "ep1"}, (pickle.dumps(Unpickles()),))
    spoilt = value_or_error(outcome, "7.0")[1]
    assert str(spoilt).endswith("cannot be unpickled here: OddError: (its __str__() failed)")
    with pytest.raises(PayloadError, match=r"\(its __str__\(\) failed\)"):
        pickle_object([OddError()], "argument")


class Unpickles:
    """Raises the exception when it is unpickled."""

    def __reduce__(self):
        return raise_odd, ()
