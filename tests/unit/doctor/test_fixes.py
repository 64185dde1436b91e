"""The repairs, with a stand-in for the personal pool, because a pool that hangs takes 15 s to be found out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from condor_futures.doctor import fixes
from condor_futures.errors import CondorFuturesError


@pytest.fixture
def done(monkeypatch):
    """What was done, in order."""
    done = []

    class Pool:
        directory = Path("/pool")

        def start(self, *, persistent):
            done.append(("start", persistent))

        def stop(self):
            done.append("stop")

        def close(self):
            done.append("close")

    monkeypatch.setattr(fixes, "PersonalPool", Pool)
    monkeypatch.setattr(fixes, "find_htcondor", lambda: "HTCondor")
    return done


def test_each_repair_asks_a_question(done, monkeypatch):
    monkeypatch.setattr(fixes, "sessions", list)
    assert all(fix.question().endswith(("?", "anew.")) for fix in fixes.FIXES.values())


def test_a_pool_is_started(done, monkeypatch):
    """HTCondor is installed first, if it is not there; the question says so."""
    assert "runs until" in fixes.FIXES["start pool"].make(lambda: done.append("install"))
    monkeypatch.setattr(fixes, "find_htcondor", lambda: None)
    assert "Install HTCondor" in fixes.FIXES["start pool"].question()
    fixes.FIXES["start pool"].make(lambda: done.append("install"))
    assert done == [("start", True), "close", "install", ("start", True), "close"]


def test_a_pool_that_does_not_answer_is_started_again(done):
    fixes.FIXES["restart pool"].make(lambda: done.append("install"))
    assert done == ["stop", ("start", True), "close"]


def test_only_finished_sessions_are_removed(monkeypatch):
    """One that cannot be removed does not keep the others."""
    states = {"a": "finished", "b": "left", "c": "in use", "d": "finished"}
    monkeypatch.setattr(
        fixes,
        "sessions",
        lambda: [SimpleNamespace(id=id_, state=state, directory=id_) for id_, state in states.items()],
    )
    removed = []

    def purge(directory):
        if directory == "a":
            raise CondorFuturesError("the access point does not answer")
        removed.append(directory)

    monkeypatch.setattr(fixes, "purge", purge)
    assert fixes.FIXES["remove sessions"].question().endswith("took: a, d?")
    text = fixes.FIXES["remove sessions"].make(None)
    assert text == "Sessions removed: 1. a remains: the access point does not answer."
    assert removed == ["d"]
