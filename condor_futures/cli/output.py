"""Where the commands print to, and how they say what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["complain", "console", "print_json", "print_table"]

# What is printed may come from anywhere: the name of a directory, an error's text. Styles are given as Text.
console = Console(markup=False, emoji=False)
# Into a pipe or a file goes the whole of a line: what is not on it, grep does not find.
_WIDE = 1_000_000


def print_table(table: Table) -> None:
    """Print a table: on a terminal as wide as that is; elsewhere as wide as the table is."""
    where = console if console.is_terminal else Console(markup=False, emoji=False, width=_WIDE)
    where.print(table)


def complain(error: Exception) -> None:
    """Print one sentence to standard error, with the error's name in front."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror + (f": {error.filename}" if error.filename is not None else "")
    text = Text.assemble((type(error).__name__, "red"), f": {message}")
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


def print_json(records: Iterable[Any]) -> None:
    """Print records as a list of JSON objects: instances of dataclasses, or what JSON has.

    Times are in ISO format, time spans in seconds.
    """
    data = json.dumps(list(records), default=_as_json, ensure_ascii=False)
    try:
        data.encode(console.encoding)
    except UnicodeEncodeError:  # such as a name that is no text
        console.print_json(data, ensure_ascii=True)
    else:
        console.print_json(data)


def _as_json(value: object) -> str | float | dict[str, Any]:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(type(value))
