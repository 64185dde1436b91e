"""A finding: what one check found out, as a sentence for people, and as data for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

__all__ = ["Finding", "Level", "plural", "seconds", "size"]


class Level(str, Enum):
    """How serious a finding is."""

    OK = "ok"
    """It works."""
    NOTE = "note"
    """The check does not apply, or was not made; the sentence says why."""
    WARNING = "warning"
    """Jobs run, but something is slower or more limited than it could be."""
    FAILED = "failed"
    """Jobs cannot run."""


@dataclass(frozen=True)
class Finding:
    """What one check found out.

    Attributes:
        name: the check: ``"client"``, ``"HTCondor"``, ``"personal pool"``, ``"collector"``, ``"schedd"``,
            ``"versions"``, ``"permission"``, ``"credentials"``, ``"slots"``, ``"session directory"``, ``"probe job"``,
            ``"Python"``, ``"event log"``, ``"warm jobs"`` or ``"sessions"``.
        level: how serious it is.
        sentence: what was found out; unless it is good, what to do next.
        details: the same as data, by name. Times are in seconds, sizes in bytes.
        fix: the name of the repair that ``condor-futures doctor --fix`` offers; empty if there is none.

    Example:
        >>> from condor_futures.doctor import Finding, Level
        >>> finding = Finding("collector", Level.OK, "cm.example.org answers")
        >>> print(finding.level.value, finding.sentence)
        ok cm.example.org answers

    """

    name: str
    level: Level
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)
    fix: str = ""


def plural(number: int, noun: str) -> str:
    """Return *number* with its *noun*.

    >>> plural(1, "slot"), plural(2, "slot")
    ('1 slot', '2 slots')

    """
    return f"{number} {noun}" + "s" * (number != 1)


def seconds(time: float) -> str:
    """Return a *time* in seconds for people, with two digits.

    >>> seconds(0.0023), seconds(0.234), seconds(1.234), seconds(95.4)
    ('2.3 ms', '230 ms', '1.2 s', '95 s')

    """
    if time < 0.01:  # noqa: PLR2004
        return f"{1000 * time:.1f} ms"
    if time < 0.995:  # noqa: PLR2004
        return f"{round(1000 * time, -1):.0f} ms"
    return f"{time:.1f} s" if time < 10 else f"{time:.0f} s"  # noqa: PLR2004


def size(number: float) -> str:
    """Return a *number* of bytes for people.

    >>> size(0), size(1536), size(24105 * 2**20)
    ('0 bytes', '1.5 KiB', '23.5 GiB')

    """
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004
            return f"{number:g} {unit}"
        number = round(number / 1024, 1)
    return f"{number:g} TiB"
