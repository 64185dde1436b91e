"""The vocabulary of the state table as JSON, and back."""

from __future__ import annotations

import json

import pytest

from condor_futures.state_machine.plain import plain, value
from condor_futures.state_machine.states import (
    Aborted,
    Attached,
    Held,
    HoldPolicy,
    Job,
    NotReleased,
    Release,
    Report,
    State,
    Submitted,
    Terminated,
)
from condor_futures.state_machine.transitions import advance


@pytest.mark.parametrize(
    "word",
    [
        Terminated("7.0", signal=9),
        Attached("7.0", HoldPolicy("ask", 2, 4096)),
        NotReleased("7.0", 1, "no"),
        Report(Aborted("7.0", "via condor_rm\n\udcff")),
        Release(4096),
        State.HELD,
        Job("b000001", True, State.HELD, "7.0", Terminated("7.0", 1), "ep1", 2, HoldPolicy("wait"), 1, Held("7.0", 1)),
    ],
    ids=lambda word: type(word).__name__,
)
def test_words_come_back_as_they_were(word):
    assert value(json.loads(json.dumps(plain(word)))) == word


def test_a_story_is_told_apart_from_its_job():
    job, _ = advance(Job("b000001", spooled=True), Submitted("7.0"))
    assert value(plain(job)).story is None


@pytest.mark.parametrize("kind", ["Path", "dataclass", "State", None])
def test_other_words_are_refused(kind):
    """The line may come from anyone."""
    with pytest.raises(ValueError, match="not a class of the state table"):
        value({"kind": kind})
