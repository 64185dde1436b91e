"""The output of a notebook's cell, which changes while calls run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from condor_futures.display.line import Part, ended

__all__ = ["Cell", "in_notebook", "page"]

_COLOURS = {"red": "#c0392b", "yellow": "#b7791f", "cyan": "#0b7285", "green": "#2b8a3e", "dim": "#868e96"}


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, which can show and change HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def page(line: Sequence[Part], counts: Mapping[str, int]) -> str:
    """Return a line as HTML, with a bar.

    >>> page([Part("2/4 done"), Part("held 1", "red")], {"done": 2, "held": 1, "idle": 1})
    '<div ...><progress value="2" max="4"></progress><span>2/4 done</span><span style="color:#...">held 1</span></div>'

    """
    spans = "".join(
        f'<span style="color:{_COLOURS[part.style]}">{escape(part.text)}</span>'
        if part.style in _COLOURS
        else f"<span>{escape(part.text)}</span>"
        for part in line
    )
    style = "display:flex;flex-wrap:wrap;gap:0 1.2em;align-items:center;font-variant-numeric:tabular-nums"
    bar = f'<progress value="{ended(counts)}" max="{sum(counts.values()) or 1}"></progress>'
    return f'<div style="{style}">{bar}{spans}</div>'


class Cell:
    """One output, which belongs to the cell that first shows it."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = ""

    def show(self, html: str) -> None:
        """Show *html* in place of what was shown before."""
        ipython = importlib.import_module("IPython.display")
        if html == self._last:
            return
        self._last = html
        if self._handle is None:
            self._handle = ipython.display(ipython.HTML(html), display_id=True)
        else:
            self._handle.update(ipython.HTML(html))
