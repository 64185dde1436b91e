"""Sizes, times and ClassAd expressions among the submit commands: what HTCondor could not read is refused here.

Only where that is certain: what HTCondor's own parser takes, passes. What has a macro, a comment or a backslash is read
by rules of its own, and left to the access point.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["check_expression"]

logger = logging.getLogger(__name__)

_EXPRESSIONS: Final = re.compile(
    r"MY\..*|requirements|rank|on_exit_(hold|remove)|periodic_(hold|release|remove|vacate)|request_\w+"
)
_SIZES: Final = frozenset({"request_memory", "request_disk", "retry_request_memory", "retry_request_disk"})
_TIMES: Final = frozenset({"allowed_execute_duration", "allowed_job_duration"})
#: What HTCondor takes for something else, or for nothing, where it is less, or no whole number (25.14).
_LEAST: Final = {"max_retries": 0, "allowed_execute_duration": 1, "allowed_job_duration": 1}

# What condor_submit (25.14) reads as a size; "4P" and "4B" are none, and a unit has one blank before it at most.
_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_SIZE: Final = re.compile(rf"({_NUMBER})\s*(?:[kmgt]b?)?", re.IGNORECASE | re.ASCII)
_LIKE_A_SIZE: Final = re.compile(r"(\d+)(?:[.,](\d+))?\s*([kmgt])\s*i?b?[a-z]*", re.IGNORECASE | re.ASCII)
_WORDS: Final = re.compile(r"[\w .:@-]+")
_WORD: Final = re.compile(r"[a-z_]\w*", re.IGNORECASE | re.ASCII)
_UNREAD: Final = re.compile(r"[$\\]|//|/\*")

_CLOCK: Final = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", re.ASCII)  # ("1:30" may be minutes, or hours)
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*\s*", re.IGNORECASE | re.ASCII)
_SECONDS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}

_FEW_MEBIBYTES: Final = 32  # no Python runs in less
_MANY_MEBIBYTES: Final = 100 * 2**20  # no machine has more: it was meant to be bytes, or kilobytes


def check_expression(name: str, text: str, commands: Mapping[str, str] = MappingProxyType({})) -> None:
    """Refuse the value of a submit command where no access point could make anything of it.

    Args:
        name: a submit command by its first name, or `MY.<attribute>`.
        text: its value in submit language.
        commands: those of the same job, whose custom attributes an expression may name.

    Raises:
        ValueError: with the nearest right form, where there is one.

    Example:
        >>> check_expression("request_memory", "4 GB")
        >>> check_expression("request_memory", "4GiB")
        Traceback (most recent call last):
        ValueError: request_memory is a size such as '4GB', or an expression, not '4GiB'; did you mean '4GB'?

    """
    text = text.strip()
    if not text or _UNREAD.search(text):
        return
    if name in _SIZES:
        _check_size(name, text)
    elif name in _TIMES:
        _check_time(name, text, commands)
    elif _EXPRESSIONS.fullmatch(name) and not _is_expression(text):
        a_string = name.startswith("MY.") and _WORDS.fullmatch(text)
        advice = f"; a string has quotation marks of its own: '\"{text}\"'" if a_string else ""
        raise ValueError(f"the submit command {name!r} takes a ClassAd expression, which {text!r} is not{advice}")
    elif name.startswith("request_") and _below_zero(text):
        raise ValueError(f"{name} is a number, at least 0, or an expression, not {text}")
    if name in _LEAST:
        _check_limit(name, text)


def _is_expression(text: str) -> bool:
    import classad2  # here, because names and values are checked without HTCondor otherwise

    try:
        classad2.ExprTree(text)
    except classad2.ClassAdException:
        return False
    return True


def _below_zero(number: str) -> bool:
    return re.fullmatch(_NUMBER, number, re.ASCII) is not None and float(number) < 0


def _check_size(name: str, text: str) -> None:
    for part in _each_size(text):
        size = _SIZE.fullmatch(part)
        if size is None and not _is_expression(part):
            raise ValueError(f"{name} is a size such as '4GB', or an expression, not {part!r}{_nearest_size(part)}")
        if size is not None and _below_zero(size[1]):
            raise ValueError(f"{name} is a size such as '4GB', at least 0, or an expression, not {part!r}")
    first = text.partition(",")[0].strip()
    number = float(first) if name == "request_memory" and re.fullmatch(_NUMBER, first, re.ASCII) else 0.0
    if 0 < number < _FEW_MEBIBYTES:
        logger.warning("request_memory=%s asks for %s MiB; write '%sGB' for gigabytes", text, first, first)
    elif number > _MANY_MEBIBYTES:
        logger.warning("request_memory=%s asks for %.0f TiB; a bare number is of MiB", text, number / 2**20)


def _each_size(text: str) -> list[str]:
    """The items of a list, one for each retry, of which the last may be an expression.

    >>> _each_size("4GB, 8 GB, max({RequestMemory, 16384})"), _each_size("1,5GB")
    (['4GB', '8 GB', 'max({RequestMemory, 16384})'], ['1,5GB'])

    """
    first, _, rest = map(str.strip, text.partition(","))
    decimal = _LIKE_A_SIZE.fullmatch(text)  # HTCondor would begin with 1 MiB
    if not rest or not _SIZE.fullmatch(first) or (decimal and int(decimal[1]) < _FEW_MEBIBYTES):
        return [text]
    return [first, *_each_size(rest)]


def _nearest_size(text: str) -> str:
    meant = _LIKE_A_SIZE.fullmatch(text)
    if meant is None:
        return ""
    number = meant[1] + (f".{meant[2]}" if meant[2] else "")
    return f"; did you mean '{number}{meant[3].upper()}B'?"


def _check_time(name: str, text: str, commands: Mapping[str, str]) -> None:
    # A word is an attribute of the job's: one that it does not have would be no limit, and nobody would say so.
    known = {"undefined", *(command.lower().removeprefix("my.") for command in commands)}
    if (_WORD.fullmatch(text) and text.lower() not in known) or not _is_expression(text):
        seconds = _nearest_seconds(text)
        advice = f"; did you mean {seconds}?" if seconds is not None else ""
        raise ValueError(f"{name} is a number of seconds, or an expression, not {text!r}{advice}")


def _check_limit(name: str, text: str) -> None:
    """Refuse a number that is no limit; an expression is the access point's to judge."""
    least = _LEAST[name]
    try:
        number = float(text)
    except ValueError:
        number = math.nan if text.lower() in ("true", "false") else float(least)
    if not (number >= least and number.is_integer()):
        raise ValueError(f"{name} is a whole number, at least {least}, not {text}")


def _nearest_seconds(text: str) -> int | None:
    """What other systems would take it for, if anything.

    >>> [_nearest_seconds(text) for text in ("1h 30m", "2 days", "1-02:00:00", "soon")]
    [5400, 172800, 93600, None]

    """
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if _SPAN.match(text) and not _SPAN.sub("", text):
        return round(sum(float(number) * _SECONDS[unit.lower()] for number, unit in _SPAN.findall(text)))
    return None
