"""The output of the commands: tables, JSON and errors."""

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

# The output has text of any origin, such as names of directories and texts of errors, so markup is off and styles are
# given as Text.
console = Console(markup=False, emoji=False)
# In a pipe or a file, lines are not wrapped, so that grep finds them whole.
_WIDE = 1_000_000


def print_table(table: Table) -> None:
    """Print a table in the width of the terminal, or without a terminal in its full width."""
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

    Times are in ISO format, time spans in seconds. Fields that are named tuples become objects.
    """
    data = json.dumps(list(records), default=_as_json, ensure_ascii=False)
    try:
        data.encode(console.encoding)
    except UnicodeEncodeError:  # for example a file name that cannot be encoded
        console.print_json(data, ensure_ascii=True)
    else:
        console.print_json(data)


def _as_json(value: object) -> str | float | dict[str, Any]:
    if is_dataclass(value) and not isinstance(value, type):
        fields = asdict(value)
        return {name: part._asdict() if hasattr(part, "_asdict") else part for name, part in fields.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(type(value))
