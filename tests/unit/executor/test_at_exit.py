"""At the interpreter's exit, scripts get their results, and an interrupted script leaves no jobs."""

from __future__ import annotations

import sys

import pytest

from condor_futures.executor import at_exit


class Watcher:
    """Records its calls. The first of the waits raises *interrupts*."""

    def __init__(self, *interrupts, last_error=0):
        self.asked = []
        self.interrupts = list(interrupts)
        self.last_error = last_error

    def _wait(self, what):
        self.asked.append(what)
        if self.interrupts:
            raise self.interrupts.pop(0)

    def close(self):
        self.asked.append("close")

    def join_at_exit(self):
        self._wait("join")

    def take_back(self):
        self.asked.append("take back")

    def join_aloud(self):
        self._wait("join aloud")

    def abandon(self):
        self.asked.append("abandon")
        return True


@pytest.fixture
def ends(monkeypatch):
    """Simulate the interpreter's exit with these watchers, for the functions of at_exit."""
    monkeypatch.setattr(at_exit, "_exiting", False)
    monkeypatch.delattr(sys, "last_type", raising=False)

    def end(*watchers, interrupted=False):
        monkeypatch.setattr(at_exit, "_watchers", set(watchers))
        if interrupted:
            monkeypatch.setattr(sys, "last_type", KeyboardInterrupt, raising=False)
        at_exit._at_exit()

    return end


def test_a_script_that_ends_gets_its_results(ends):
    watcher = Watcher()
    ends(watcher)
    assert watcher.asked == ["close", "join"]
    assert at_exit.interpreter_exits()


def test_a_script_that_was_interrupted_takes_its_jobs_back(ends):
    watcher = Watcher(last_error=None)
    ends(watcher, interrupted=True)
    assert watcher.asked == ["take back", "join aloud"]


def test_an_interruption_before_the_calls_were_made_is_none_of_theirs(ends, monkeypatch):
    """An example is a prompt: the interpreter printed the last exception before the last call was submitted."""
    watcher = Watcher(last_error=at_exit.last_error())
    ends(watcher, interrupted=True)
    assert watcher.asked == ["close", "join"]


def test_ctrl_c_while_results_are_waited_for_takes_the_jobs_back(ends, caplog):
    first, second = Watcher(KeyboardInterrupt), Watcher(KeyboardInterrupt)
    ends(first, second)
    for watcher in (first, second):
        assert watcher.asked[0] == "close"
        assert "take back" in watcher.asked
    assert caplog.text.count("interrupted at the end of the program") == 1


def test_another_ctrl_c_leaves_the_jobs(monkeypatch):
    watcher = Watcher(KeyboardInterrupt)
    monkeypatch.setattr(at_exit, "_watchers", {watcher})
    at_exit.take_back(watcher)
    assert watcher.asked == ["take back", "join aloud", "abandon"]
    assert at_exit._watchers == set()
