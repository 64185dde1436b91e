"""An existing submit file as the base of an executor: HTCondor reads it, we take what is not ours to say."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Final

from condor_futures.submit_commands import ALIASES, OWNED
from condor_futures.submit_description import canonical_name, check_submit_commands, merge

__all__ = ["add_submit_file", "read_submit_file"]

_MACRO: Final = re.compile(r"\$(\w*)\(([\w.]+)(?::([^()]*))?\)")
_QUEUE_VARIABLES: Final = re.compile(r"\s*\d*\s*(\w+(?:\s*,\s*\w+)*)\s+(?:in|from|matching)\b", re.IGNORECASE)
_UNIVERSES: Final = {"vanilla", "docker", "container", "5"}


def read_submit_file(path: str | Path) -> dict[str, str]:
    """Return the submit commands of a submit file, for the executor's keywords.

    What says what is run and where its output goes (``executable``, ``arguments``, ``output``, ``log``, ``queue``, all
    that the executor owns) is left out. Macros that the file defines are put in; ``if``, ``include`` and the like have
    been seen to by HTCondor.

    Raises:
        OSError: if it cannot be read.
        ValueError: if HTCondor refuses it; for another universe than vanilla, docker or container; for a macro in a
            command whose value is not in the file.
        TypeError: for a name that is neither a submit command nor used as a macro, with the nearest command.

    """
    import htcondor2

    text = Path(path).read_text()
    try:
        submit = htcondor2.Submit(text)
    except (htcondor2.HTCondorException, ValueError, SyntaxError) as error:
        raise ValueError(f"{path} is no submit file that HTCondor can read: {error}") from None
    universe = submit.get("universe", "vanilla").strip().lower()
    if universe not in _UNIVERSES:
        raise ValueError(
            f"{path} is for the {universe} universe; calls run in the vanilla, docker or container universe"
        )
    given = {name: value for name, value in submit.items() if ALIASES.get(name.lower(), name.lower()) not in OWNED}
    used = {name.lower() for value in submit.values() for _, name, _ in _MACRO.findall(value)}
    commands, macros = {}, {}
    for name, value in given.items():
        try:
            commands[canonical_name(name)] = value
        except TypeError:
            if name.lower() not in used:
                raise
            macros[name.lower()] = value
    variables = _QUEUE_VARIABLES.match(submit.getQArgs() or "")
    per_job = {name.strip().lower() for name in variables[1].split(",")} if variables else set()
    return {name: _expand(value, macros, per_job, f"{name} in {path}") for name, value in commands.items()}


def _expand(value: str, macros: dict[str, str], per_job: set[str], where: str, depth: int = 0) -> str:
    """Put in the macros that the file defines; HTCondor's own stay for HTCondor."""

    def replace(match: re.Match[str]) -> str:
        function, name = match[1], match[2].lower()
        if name in per_job:
            raise ValueError(f"{where} uses {match[0]}, which the queue statement sets; pass it to the calls instead")
        if name not in macros:
            return match[0]
        if function or depth > len(macros):
            raise ValueError(f"{where} uses {match[0]}, which cannot be expanded here; write its value instead")
        return _expand(macros[name], macros, per_job, where, depth + 1)

    return _MACRO.sub(replace, value)


def add_submit_file(path: str | Path, options: Mapping[str, Any], own: Container[str]) -> dict[str, Any]:
    """An executor's *options*, of which those that are not its *own* are submit commands, with those of a submit file.

    Raises:
        OSError, TypeError, ValueError: as :func:`read_submit_file`.

    """
    base = check_submit_commands(read_submit_file(path))
    commands = {name: value for name, value in options.items() if name not in own}
    return {name: value for name, value in options.items() if name in own} | merge(base, commands)
