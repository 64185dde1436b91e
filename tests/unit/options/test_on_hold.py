"""The words in which a user says what becomes of jobs on hold."""

from __future__ import annotations

import json

import pytest

from condor_futures.options.on_hold import HeldJob, OnHold, mebibytes
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Held, HoldPolicy, Job, State


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        (None, HoldPolicy("fail")),
        ("fail", HoldPolicy("fail")),
        ("wait", HoldPolicy("wait")),
        ("release", HoldPolicy("release", 3)),
        (("release", 7), HoldPolicy("release", 7)),
        (["release", 7], HoldPolicy("release", 7)),  # from a profile
        (lambda job: "wait", HoldPolicy("ask")),
    ],
)
def test_each_way_to_say_it(given, policy):
    assert OnHold().changed(given).policy == policy


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("relese", ValueError, "'relese'"),
        ("release:3", ValueError, "TIMES"),
        (("release", 0), ValueError, "at least 1, not 0"),
        (("release", True), TypeError, "TIMES must be an int, not bool"),
        (("release", "3"), TypeError, "TIMES must be an int, not str"),
        (("wait", 3), ValueError, "TIMES"),
        (("release",), ValueError, "TIMES"),
        (3, TypeError, "not int"),
        (True, TypeError, "not bool"),
    ],
)
def test_what_is_not_understood_is_refused_at_once(given, error, words):
    """The error lists the choices."""
    with pytest.raises(error, match="on_hold") as caught:
        OnHold().changed(given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("size", "amount"),
    [(4096, 4096), ("4096", 4096), ("16GB", 16384), ("16 g", 16384), ("0.5TiB", 524288), ("1.5M", 2), ("1KB", 1)],
)
def test_sizes_as_htcondor_writes_them(size, amount):
    assert mebibytes("memory_max", size) == amount


@pytest.mark.parametrize(
    ("size", "error"),
    [
        *(("much", ValueError), ("16XB", ValueError), ("-1GB", ValueError), (0, ValueError), (-5, ValueError)),
        *((True, TypeError), (1.5, TypeError), ([], TypeError)),
    ],
)
def test_what_is_no_size_is_refused(size, error):
    with pytest.raises(error, match="memory_max"):
        OnHold().changed(memory_max=size)


def test_what_is_not_said_stays_as_it_is():
    """with_options works the same way."""
    base = OnHold().changed(("release", 5), "4GB")
    assert base.changed("wait").policy == HoldPolicy("wait", 3, 4096)
    assert base.changed(memory_max="8GB").policy == HoldPolicy("release", 5, 8192)
    assert base.changed(memory_max=False).policy == HoldPolicy("release", 5, None)
    assert OnHold().changed(lambda job: "fail").changed("wait").ask is None


def test_a_session_keeps_all_but_a_function():
    """Without the function, the calls fail, because nothing else decides."""
    for on_hold in (OnHold().changed(("release", 5), 4096), OnHold().changed("wait"), OnHold()):
        kept = json.loads(json.dumps(Options({}, spool=True, on_hold=on_hold).record()))
        assert Options.from_record(kept).on_hold == on_hold
    asks = OnHold().changed(lambda job: "wait", 4096)
    assert OnHold.from_record(asks.record()).policy == HoldPolicy("fail", memory_max=4096)


def test_the_function_is_told_what_there_is_to_know():
    hold = Held("7.0", 12, 2, "no such file")
    job = Job("b000001", True, State.HELD, "7.0", host="ep1", holds=2, hold=hold)
    told = []
    assert OnHold().changed(lambda job: told.append(job) or "wait").decide(job) == "wait"
    assert told == [HeldJob("7.0", 12, 2, "no such file", 2, "ep1")]
    for wrong in ("Release", None, b"wait", ["wait"]):
        with pytest.raises(ValueError, match="returned"):
            OnHold().changed(lambda _, wrong=wrong: wrong).decide(job)


def test_three_holds_are_released_unless_another_number_is_said():
    assert OnHold().changed("release").policy == HoldPolicy("release", releases=3)
    assert OnHold().changed(("release", 7)).policy == HoldPolicy("release", releases=7)
