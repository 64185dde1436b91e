"""How objects of this package look in a notebook, and on rich's consoles: a title, and facts by name."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

__all__ = ["as_html", "as_table", "in_short"]

_LENGTH = 100  # characters of a value


def in_short(value: object) -> str:
    """Return a plain value, and of other objects only the type: their own text may be long, or take long.

    >>> in_short(1024), in_short([1, 2]), in_short("spectrum " * 100)[-9:]
    ('1024', 'list', 'spectr...')

    """
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        try:
            text = repr(value)
        except ValueError:  # an int of more than 4,300 digits
            return type(value).__name__
        return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."
    return type(value).__name__


def as_html(title: str, facts: Mapping[str, str]) -> str:
    """Return a table.

    >>> as_html("CondorFuture", {"call": "c000000", "value": "'<b>'"})
    '<table><caption ...>CondorFuture</caption><tr><th ...>call</th><td ...>c000000</td></tr>...&lt;b&gt;...</table>'

    """
    left = ' style="text-align:left"'
    rows = "".join(
        f"<tr><th{left}>{escape(name)}</th><td{left}>{escape(text)}</td></tr>" for name, text in facts.items()
    )
    return f'<table><caption style="text-align:left;font-weight:bold">{escape(title)}</caption>{rows}</table>'


def as_table(title: str, facts: Mapping[str, str]) -> Any:
    """Return a table for rich."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, "bold"), title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, text in facts.items():
        table.add_row(Text(name, "dim"), Text(text))
    return table
