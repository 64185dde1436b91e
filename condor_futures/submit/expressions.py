"""Checks sizes, times and ClassAd expressions in submit commands, and rejects those that HTCondor cannot read.

The checks reject only what is certainly wrong; everything that HTCondor's own parser accepts passes. Other rules hold
for values with a macro, a comment or a backslash, so the access point alone checks these values.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from condor_futures.submit.automatic import is_automatic

__all__ = ["check_expression"]

logger = logging.getLogger(__name__)

_EXPRESSIONS: Final = re.compile(
    r"MY\..*|requirements|rank|on_exit_(hold|remove)|periodic_(hold|release|remove|vacate)|request_\w+"
)
_SIZES: Final = frozenset({"request_memory", "request_disk", "retry_request_memory", "retry_request_disk"})
_TIMES: Final = frozenset({"allowed_execute_duration", "allowed_job_duration"})
#: The smallest valid values. HTCondor misreads or ignores a smaller number, or a number that is not whole (25.14).
_LEAST: Final = {"max_retries": 0, "allowed_execute_duration": 1, "allowed_job_duration": 1}

# The sizes that condor_submit (25.14) reads. "4P" and "4B" are not sizes, and at most one blank precedes the unit.
_NUMBER: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_SIZE: Final = re.compile(rf"({_NUMBER})\s*(?:[kmgt]b?)?", re.IGNORECASE | re.ASCII)
_LIKE_A_SIZE: Final = re.compile(r"(\d+)(?:[.,](\d+))?\s*([kmgt])\s*i?b?[a-z]*", re.IGNORECASE | re.ASCII)
_WORDS: Final = re.compile(r"[\w .:@-]+")
_WORD: Final = re.compile(r"[a-z_]\w*", re.IGNORECASE | re.ASCII)
_UNREAD: Final = re.compile(r"[$\\]|//|/\*")

_CLOCK: Final = re.compile(
    r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", re.ASCII
)  # without "1:30", which may mean minutes or hours
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)[a-z]*\s*", re.IGNORECASE | re.ASCII)
_SECONDS: Final = {"d": 86400, "h": 3600, "m": 60, "s": 1}

_FEW_MEBIBYTES: Final = 32  # Python needs more
_MANY_MEBIBYTES: Final = 100 * 2**20  # no machine has more: the number was meant as bytes or kilobytes


def check_expression(name: str, text: str, commands: Mapping[str, str] = MappingProxyType({})) -> None:
    """Raise an error if no access point can read the value of a submit command.

    Args:
        name: a submit command by its first name, or `MY.<attribute>`.
        text: the value in submit language.
        commands: the commands of the same job; an expression may name their custom attributes.

    Raises:
        ValueError: the value is invalid; the message has the nearest valid form, if there is one.

    Example:
        >>> check_expression("request_memory", "4 GB")
        >>> check_expression("request_memory", "4GiB")
        Traceback (most recent call last):
        ValueError: request_memory must be a size such as '4GB', or an expression, not '4GiB'; did you mean '4GB'?

    """
    text = text.strip()
    if not text or _UNREAD.search(text) or is_automatic(name, text):
        return
    if name in _SIZES:
        _check_size(name, text)
    elif name in _TIMES:
        _check_time(name, text, commands)
    elif _EXPRESSIONS.fullmatch(name) and not _is_expression(text):
        a_string = name.startswith("MY.") and _WORDS.fullmatch(text)
        advice = f"; a string needs its own quotation marks: '\"{text}\"'" if a_string else ""
        raise ValueError(f"the submit command {name!r} must be a ClassAd expression, not {text!r}{advice}")
    elif name.startswith("request_") and _below_zero(text):
        raise ValueError(f"{name} must be a number, at least 0, or an expression, not {text}")
    if name in _LEAST:
        _check_limit(name, text)


def _is_expression(text: str) -> bool:
    import classad2  # here, because the other checks do not need HTCondor

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
            raise ValueError(
                f"{name} must be a size such as '4GB', or an expression, not {part!r}{_nearest_size(part)}"
            )
        if size is not None and _below_zero(size[1]):
            raise ValueError(f"{name} must be a size such as '4GB', at least 0, or an expression, not {part!r}")
    first = text.partition(",")[0].strip()
    number = float(first) if name == "request_memory" and re.fullmatch(_NUMBER, first, re.ASCII) else 0.0
    if 0 < number < _FEW_MEBIBYTES:
        logger.warning("request_memory=%s requests %s MiB; write '%sGB' for gigabytes", text, first, first)
    elif number > _MANY_MEBIBYTES:
        logger.warning("request_memory=%s requests %.0f TiB; a number without a unit is in MiB", text, number / 2**20)


def _each_size(text: str) -> list[str]:
    """Return the items of a list with one size for each retry; the last item may be an expression.

    >>> _each_size("4GB, 8 GB, max({RequestMemory, 16384})"), _each_size("1,5GB")
    (['4GB', '8 GB', 'max({RequestMemory, 16384})'], ['1,5GB'])

    """
    first, _, rest = map(str.strip, text.partition(","))
    decimal = _LIKE_A_SIZE.fullmatch(text)  # HTCondor would start with 1 MiB
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
    # A word is an attribute of the job. If the job does not have the attribute, there is silently no limit.
    known = {"undefined", *(command.lower().removeprefix("my.") for command in commands)}
    if (_WORD.fullmatch(text) and text.lower() not in known) or not _is_expression(text):
        seconds = _nearest_seconds(text)
        advice = f"; did you mean {seconds}?" if seconds is not None else ""
        raise ValueError(f"{name} must be a number of seconds, or an expression, not {text!r}{advice}")


def _check_limit(name: str, text: str) -> None:
    """Raise an error for a number that is not a limit; the access point checks expressions."""
    least = _LEAST[name]
    try:
        number = float(text)
    except ValueError:
        number = math.nan if text.lower() in ("true", "false") else float(least)
    if not (number >= least and number.is_integer()):
        raise ValueError(f"{name} must be a whole number, at least {least}, not {text}")


def _nearest_seconds(text: str) -> int | None:
    """Return the number of seconds that *text* means in other systems; None if it means none.

    >>> [_nearest_seconds(text) for text in ("1h 30m", "2 days", "1-02:00:00", "soon")]
    [5400, 172800, 93600, None]

    """
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if _SPAN.match(text) and not _SPAN.sub("", text):
        return round(sum(float(number) * _SECONDS[unit.lower()] for number, unit in _SPAN.findall(text)))
    return None
