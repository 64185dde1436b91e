"""Where the commands print to, and how they say what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

__all__ = ["complain", "console", "print_json"]

# What is printed may come from anywhere: the name of a directory, an error's text. Styles are given as Text.
console = Console(markup=False, emoji=False)


def complain(error: Exception) -> None:
    """Print one sentence to standard error, with the error's name in front."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror + (f": {error.filename}" if error.filename is not None else "")
    text = Text.assemble((type(error).__name__, "red"), f": {message}")
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


def print_json(records: Iterable[Any]) -> None:
    """Print instances of dataclasses as a list of JSON objects: times in ISO format, time spans in seconds."""
    console.print_json(json.dumps([asdict(record) for record in records], default=_as_json))


def _as_json(value: object) -> str | float:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(type(value))
