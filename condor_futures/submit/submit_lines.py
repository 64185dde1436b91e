r"""The text of a submit file: its encoding, and the lines of its statements, which messages name.

HTCondor's parser reads the file. It does not report lines, so this module finds them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

__all__ = ["SubmitText"]

_LONG_VALUE: Final = re.compile(r"@=(\w+)$")
_ASSIGNMENT: Final = re.compile(r"(\+?[A-Za-z_][\w.]*)\s*(?:=|@=\w+$)\s*(.*)", re.DOTALL)
_QUEUE: Final = re.compile(r"queue(?![\w.])(?!\s*=)", re.IGNORECASE)


@dataclass(frozen=True)
class _Statement:
    """A statement, with its continuation lines joined.

    Attributes:
        line: the number of its first line.
        text: its text; of a value of several lines, only the first line.
        value: if it sets a macro, the value.
        name: the macro in lower case, or "".

    """

    line: int
    text: str
    name: str = ""
    value: str = ""


@dataclass(frozen=True)
class SubmitText:
    """A submit file's text.

    Attributes:
        path: the file, for messages.
        text: the text, with line feeds only.

    """

    path: str
    text: str
    _statements: list[_Statement] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_statements", _statements(self.text))

    @classmethod
    def read(cls, path: str | Path) -> SubmitText:
        """Read a file in UTF-8 or else Latin-1, with or without a byte order mark and carriage returns.

        Raises:
            OSError: the file cannot be read.

        """
        data = Path(path).read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        return cls(str(path), text.replace("\r\n", "\n"))

    def where(self, name: str, value: str | None = None) -> str:
        r"""Return the file and line that set *name*, a macro or ``MY.<attribute>``; the file if it is an included one.

        If there are several such lines, as in ``if`` and ``else``, the last one with this *value* counts.

        >>> SubmitText("a.sub", "x = 1\nif false\n +Y = 2\nelse\n My.y = 3\nendif\n").where("MY.Y", "2")
        'a.sub, line 3'

        """
        setting = [each for each in self._statements if each.name == name.lower()]
        same = [each for each in setting if value is not None and each.value.split() == value.split()]
        return self.at((same or setting)[-1].line) if setting else self.path

    def at(self, line: int) -> str:
        """Return the file and *line* for a message."""
        return f"{self.path}, line {line}"

    @property
    def queue(self) -> str:
        """The file and the line of the queue statement."""
        return next((self.at(each.line) for each in self._statements if _QUEUE.match(each.text)), self.path)

    def after_queue(self) -> tuple[int, str] | None:
        r"""Return the first statement after the queue statement and its list of items, and its line; None for none.

        HTCondor's bindings silently stop at the first queue statement. condor_submit 25.14 rejects lines after it.

        >>> SubmitText("", "queue 2 in (\n a\n)\n# the end\n").after_queue()
        >>> SubmitText("", "if true\nqueue\nendif\nqueue 5\nrank = 1").after_queue()
        (5, 'rank = 1')
        >>> SubmitText("", "environment @=end\nqueue\n@end\nqueue x from \\\n list.txt").after_queue()
        """
        depth, queued = 0, False
        for each in self._statements:
            if queued:
                return each.line, each.text
            word = each.text.split(None, 1)[0].lower()
            depth += (word == "if") - (word == "endif")
            queued = depth == 0 and _QUEUE.match(each.text) is not None
        return None

    def wrong_statement(self, reads: Callable[[str], bool]) -> _Statement | None:
        """Return the statement at which HTCondor stops reading; None if it is unknown.

        Args:
            reads: returns whether HTCondor's parser accepts a text.

        """
        lines = self.text.split("\n")
        starts = [each.line for each in self._statements]
        # The parser accepts the text before the statement, and not the text up to the end of it.
        low, high = 0, len(starts)
        while low < high:
            middle = (low + high) // 2
            end = starts[middle + 1] - 1 if middle + 1 < len(starts) else len(lines)
            if reads("\n".join(lines[:end])):
                low = middle + 1
            else:
                high = middle
        return self._statements[low] if low < len(starts) else None


def _statements(text: str) -> list[_Statement]:
    found: list[_Statement] = []
    closing = ""  # ends a value of several lines (name @=tag ... @tag), or the items of a queue statement
    joined, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if closing:
            if stripped == closing or (closing == ")" and stripped.startswith(")")):
                closing = ""
            elif closing != ")":
                found[-1] = replace(found[-1], value=f"{found[-1].value}\n{line}".strip())
            continue
        if stripped.startswith("#") or not (stripped or joined):
            continue  # HTCondor also skips comments between the parts of a statement
        first = first if joined else number
        if stripped.endswith("\\"):
            joined += stripped[:-1] + " "
            continue
        whole, joined = (joined + stripped).strip(), ""
        if whole:
            found.append(_statement(first, whole))
            closing = _closing(whole)
    return found


def _statement(line: int, text: str) -> _Statement:
    setting = _ASSIGNMENT.match(text)
    return (
        _Statement(line, text, re.sub(r"^\+", "my.", setting[1].lower()), setting[2])
        if setting
        else _Statement(line, text)
    )


def _closing(text: str) -> str:
    if _QUEUE.match(text) and text.count("(") > text.count(")"):
        return ")"
    long_value = _LONG_VALUE.search(text)
    return f"@{long_value[1]}" if long_value else ""
