"""Where the commands print to, and how they say what went wrong."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

__all__ = ["complain", "console"]

# What is printed may come from anywhere: the name of a directory, an error's text. Styles are given as Text.
console = Console(markup=False, emoji=False)


def complain(error: Exception) -> None:
    """Print one sentence to standard error, with the error's name in front."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror + (f": {error.filename}" if error.filename is not None else "")
    text = Text.assemble((type(error).__name__, "red"), f": {message}")
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
