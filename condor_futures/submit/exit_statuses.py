"""Checks the submit commands that look at the exit status of a job, which is that of the runner.

A job exits with a status of its runner, whatever status a call's process exits with: that of a call is part of its
outcome. A command that waits for another status would have no effect or, like `on_exit_remove = ExitCode == 7`, run a
job again without end. This module refuses such commands. The tests hold its numbers against those of the runner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from condor_futures.submit.values import said_in

__all__ = ["DAG_STATUSES", "STATUSES", "check_exit_statuses"]

STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "each call has an outcome, also if it raised an exception",
        3: "a call killed its process or exited",
        4: "a call raised one of retry_exceptions",
        127: "there is no Python",
    }
)
"""The exit statuses of the jobs of a CondorExecutor for which HTCondor evaluates expressions -> their meaning."""

DAG_STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "each call returned",
        1: "a call raised an exception",
        3: STATUSES[3],
        127: STATUSES[127],
    }
)
"""The same of the jobs of a DagExecutor."""

_POLICIES: Final = re.compile(r"on_exit_\w+|periodic_\w+|retry_until")
_ATTRIBUTES: Final = {  # the names of the job attributes, which MY.<attribute> sets, in lower case
    attribute.replace("_", ""): attribute
    for attribute in (
        *("on_exit_remove", "on_exit_hold", "on_exit_hold_reason", "on_exit_hold_subcode"),
        *("periodic_hold", "periodic_hold_reason", "periodic_hold_subcode"),
        *("periodic_release", "periodic_remove", "periodic_vacate"),
    )
} | {"jobsuccessexitcode": "success_exit_code"}
# ClassAd expressions as HTCondor writes them: it writes =?= as "is" and =!= as "isnt".
_STATUS: Final = r"(?:(?:my|target)\.)?exit(?:code|status)\b"
_OPERATOR: Final = r"\s*(==|!=|<=|>=|<|>|\bis\b|\bisnt\b)\s*"
_COMPARED: Final = re.compile(
    rf"{_STATUS}{_OPERATOR}(-?\d+)(?![\w.])|(?<![\w.])(-?\d+){_OPERATOR}{_STATUS}", re.IGNORECASE
)
_MEMBER: Final = re.compile(rf"\b(?:identical)?member\(\s*{_STATUS}\s*,\s*\{{([-\d,\s]*)\}}", re.IGNORECASE)
_MIRRORED: Final = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
#: Attributes that count attempts.
_COUNTS: Final = ("NumJobCompletions", "NumJobStarts", "NumShadowStarts", "NumJobMatches", "JobRunCount", "NumHolds")
_MANY: Final = 10**6
#: With one of these commands, HTCondor ends the retries also after status 0, and after a number of them.
_LIMITS: Final = frozenset({"max_retries", "retry_until", "success_exit_code"})


def check_exit_statuses(commands: Mapping[str, str], *, dag: bool = False) -> None:
    """Raise an error if a command waits for an exit status that the executor's jobs never have.

    Args:
        commands: all submit commands of a job, by first name, as `check_submit_commands` or `merge` returned them.
        dag: the jobs are those of a DagExecutor.

    Raises:
        ValueError: an expression compares `ExitCode` with a status that no job has; `success_exit_code` is not 0;
            `on_exit_remove` is false, or `on_exit_hold` is true, for a job that exits with status 0.

    Example:
        >>> check_exit_statuses({"on_exit_hold": "ExitCode == 3", "on_exit_remove": "ExitBySignal == False"})
        >>> check_exit_statuses({"on_exit_remove": "ExitCode == 7"})
        Traceback (most recent call last):
        ValueError: on_exit_remove compares the job's exit status with 7, but a job exits only with 0 (each call has...

    """
    for name, text in commands.items():
        command = _ATTRIBUTES.get(name.lower().removeprefix("my."), name)
        if text.strip() and "$" not in text and (_POLICIES.fullmatch(command) or command == "success_exit_code"):
            _check(name, command, commands, DAG_STATUSES if dag else STATUSES)


def _check(name: str, command: str, commands: Mapping[str, str], statuses: Mapping[int, str]) -> None:
    import classad2  # here, because the other commands do not need HTCondor

    said, retries = said_in(name, commands), "max_retries" if 1 in statuses else "max_retries and retry_exceptions"
    try:
        tree = classad2.ExprTree(commands[name])
    except classad2.ClassAdException:
        return  # the access point refuses the expression
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', " ".join(str(tree).split()))  # without the contents of strings
    if command == "success_exit_code" and text != "0":
        raise ValueError(
            f"{said} must be 0, not {commands[name]}: a job that succeeded exits with status 0, and the status with "
            f"which a call's process exits is part of the call's outcome; to retry calls, use {retries}"
        )
    if command == "retry_until" and re.fullmatch(r"-?\d+", text):
        text = f"ExitCode is {text}"
    for number in _impossible(text, statuses):
        *others, last = (f"{status} ({meaning})" for status, meaning in statuses.items())
        raise ValueError(
            f"{said} compares the job's exit status with {number}, but a job exits only with {', '.join(others)} or "
            f"{last}; to retry calls, use {retries}"
        )
    succeeded = {_after_success(tree, attempts) for attempts in (1, _MANY)}
    limited = not name.startswith("MY.") and not _LIMITS.isdisjoint(commands)
    if command == "on_exit_remove" and succeeded == {False} and not limited:
        raise ValueError(
            f"{said} is false for a job that exits with status 0, so a job whose calls have all succeeded would run "
            f"again without end; to retry calls, use {retries}"
        )
    if command == "on_exit_hold" and succeeded == {True}:
        raise ValueError(
            f"{said} is true for a job that exits with status 0, so the executor would never get the outcomes of calls "
            "that succeeded; compare ExitCode with 3 for calls that killed their process"
        )


def _impossible(text: str, statuses: Mapping[int, str]) -> Iterator[int]:
    """Yield the numbers that an expression compares an exit status with in vain.

    >>> list(_impossible("ExitCode isnt 85 && 0 < ExitCode || member(ExitCode, { 3, 7 })", STATUSES))
    [85, 7]
    >>> list(_impossible("ExitCode > 0 && ExitCode <= 255 && NumJobStarts < 5", STATUSES))
    []

    """
    for after, right, left, before in _COMPARED.findall(text):
        number = int(right or left)
        operator = (after or _MIRRORED.get(before, before)).lower()
        holds = {
            "==": number in statuses,
            "is": number in statuses,
            "!=": number in statuses,
            "isnt": number in statuses,
            "<": any(status < number for status in statuses),
            ">": any(status > number for status in statuses),
            "<=": any(status <= number for status in statuses),
            ">=": any(status >= number for status in statuses),
        }
        if not holds[operator]:
            yield number
    for members in _MEMBER.findall(text):
        yield from (int(number) for number in re.findall(r"-?\d+", members) if int(number) not in statuses)


def _after_success(tree: Any, attempts: int) -> bool | None:
    """Return the value of an expression for a job that exited with status 0 after *attempts*; None if unknown."""
    import classad2

    ended = {"ExitCode": 0, "ExitStatus": 0, "ExitBySignal": False, **dict.fromkeys(_COUNTS, attempts)}
    # An expression outside an ad has no MY.
    text = re.sub(r"\bmy\.", "", str(tree), flags=re.IGNORECASE)
    value = classad2.ExprTree(text).eval(classad2.ClassAd(ended))
    # HTCondor takes numbers for truth values. Undefined and error are numbers in Python, too.
    known = isinstance(value, (bool, int, float)) and not isinstance(value, classad2.Value)
    return bool(value) if known else None
