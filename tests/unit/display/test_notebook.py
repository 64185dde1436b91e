"""The output of a notebook's cell. A real kernel shows one in tests/clients/test_notebook.py."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from condor_futures.display import notebook
from condor_futures.display.line import Part


@pytest.fixture
def shown(monkeypatch):
    """What is shown in a notebook, in order."""
    shown = []
    handle = SimpleNamespace(update=lambda html: shown.append(("update", html)))

    def display(html, *, display_id):
        assert display_id
        shown.append(("display", html))
        return handle

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(HTML=str, display=display))
    return shown


def test_one_output_changes(shown):
    """The same contents are shown once."""
    cell = notebook.Cell()
    for html in ("a", "a", "b"):
        cell.show(html)
    assert shown == [("display", "a"), ("update", "b")]


def test_names_are_no_html():
    assert "&lt;b&gt;" in notebook.page([Part("<b>")], {})


@pytest.mark.parametrize(("kind", "is_one"), [("ZMQInteractiveShell", True), ("TerminalInteractiveShell", False)])
def test_notebooks(monkeypatch, kind, is_one):
    shell = type(kind, (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert notebook.in_notebook() is is_one


def test_no_notebook(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not notebook.in_notebook()
