"""A terminal in which the program's output appears."""

from __future__ import annotations

import sys

import pytest
from terminal import Terminal

from condor_futures.display import screen as module


@pytest.fixture
def terminal(monkeypatch):
    """A terminal for standard output and standard error, in a process without prompt, notebook and other lines."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    yield terminal
    module.screen.forget()
    terminal.close()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """Put the terminal in the place of the streams. pytest has its own ones there before each test, after its setup."""
    terminal = pyfuncitem.funcargs.get("terminal")
    if terminal is None:
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", terminal.stream)
        patch.setattr(sys, "stderr", terminal.stream)
        return (yield)
