"""Where calls are shown, from when, and until when."""

from __future__ import annotations

import io
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
from support import until

from condor_futures.display import showing
from condor_futures.display.showing import show


def calls(**counts):
    return SimpleNamespace(counts=lambda: Counter(counts), reports=dict)


def test_a_terminal_has_a_line_that_stays(terminal):
    """It appears with the first call."""
    shown = calls()
    line = show(shown)
    shown.counts = lambda: Counter(done=1, running=1)
    until(lambda: terminal.rows() != [""])
    assert terminal.rows()[0].startswith("calls: 1/2 done   ━━━━━━──────   idle 0   running 1   held 0   ")
    print("printed")
    shown.counts = lambda: Counter(done=2)
    line.finish()
    line.finish()
    assert terminal.rows() == ["printed", "calls: 2/2 done   idle 0   running 0   held 0   0 s", ""]
    assert sys.stderr is terminal.stream


def test_the_line_ends_when_no_more_calls_will_come(terminal):
    over = [False]
    show(calls(done=3), over=lambda: over[0])
    over[0] = True
    until(lambda: terminal.rows()[-1] == "" and len(terminal.rows()) == 2)
    assert terminal.rows()[0].startswith("calls: 3/3 done")


def test_without_calls_there_is_no_line(terminal):
    show(calls()).finish()
    assert terminal.read() == ""


def test_nothing_is_shown_in_a_file():
    """Unless the last line is wanted."""
    file = io.StringIO()
    assert show(calls(done=1), stream=file) is None
    assert file.getvalue() == ""
    show(calls(done=1), "spectra", stream=file, last_line=True).finish()
    assert file.getvalue() == "spectra: 1/1 done   idle 0   running 0   held 0   0 s\n"


def test_nothing_is_shown_at_a_prompt(terminal, monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert show(calls(done=1)) is None


def test_colours(terminal, monkeypatch):
    monkeypatch.delenv("NO_COLOR")
    show(calls(failed=1)).finish()
    assert "\x1b[31mfailed 1\x1b[0m" in terminal.read()


def test_a_terminal_of_another_encoding_has_no_bar(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    medium = showing._Terminal(stream)
    assert not medium._bar


def test_a_notebook_has_an_output(monkeypatch):
    pages = []
    monkeypatch.setattr(showing, "in_notebook", lambda: True)
    monkeypatch.setattr(showing.Cell, "show", lambda self, html: pages.append(html))
    show(calls(done=1)).finish()
    assert "1/1 done" in pages[-1]


def test_at_exit_all_lines_end(terminal):
    show(calls(done=1))
    showing._finish_all()
    assert terminal.rows()[-1] == ""
    assert sys.stdout is terminal.stream


@pytest.mark.parametrize("where", ["counts", "reports"])
def test_a_line_that_fails_ends(terminal, where):
    """The program must not notice."""
    shown = calls(running=1)
    line = show(shown)
    until(lambda: terminal.rows() != [""])

    def fail():
        raise RuntimeError

    setattr(shown, where, fail)
    until(lambda: not line._thread.is_alive())
    assert sys.stdout is terminal.stream
