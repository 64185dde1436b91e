"""Expands the macros that a submit file defines; HTCondor expands its own macros when jobs are submitted.

Functions such as ``$INT(x)`` are expanded by HTCondor's own macro expander.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

__all__ = ["Macros", "used_names"]

# $(name), $(name:default), $FUNCTION(arguments), possibly with macros inside; not $$(name), which is the execution
# point's.
_MACRO: Final = re.compile(r"(?<!\$)\$(\w*)\(((?:[^()]|\([^()]*\))*)\)")
_CLUSTER: Final = re.compile(r"\$\(cluster(id)?\)[._-]?$", re.IGNORECASE)
#: The macros that HTCondor sets for each job, unless the file sets them, and their values for the first job.
#: $(Cluster), $(JobId) and the time also work in our jobs.
_OF_THE_FIRST_JOB: Final = dict.fromkeys(("itemindex", "row", "step", "process", "procid", "taskid"), "0") | {
    "item": ""
}
#: Functions whose result cannot be empty.
_NEVER_EMPTY: Final = {"INT", "REAL", "CHOICE", "EVAL"}


class Macros:
    """The macros of one submit file."""

    def __init__(self, defined: Mapping[str, str], variables: Collection[str], *, many: bool) -> None:
        """Create them.

        Args:
            defined: the macros and commands that the file sets, by name in lower case.
            variables: the names that the queue statement sets for each job.
            many: whether the queue statement makes more than one job.

        """
        counted = _OF_THE_FIRST_JOB.keys() - defined.keys()
        self._defined = dict(defined)
        if not many:
            self._defined |= {name: _OF_THE_FIRST_JOB[name] for name in counted}
        self._per_job = {*variables, *(counted if many else ())}

    def expand(self, value: str, where: str, depth: int = 0) -> str:
        """Return *value* without the macros that the file defines.

        Args:
            value: a value in submit language.
            where: the name of the value, the file and the line, for messages.
            depth: the number of macros that this value is the value of.

        Raises:
            ValueError: a macro has another value for each job, is defined by itself, or HTCondor cannot expand it.

        """

        def replace(match: re.Match[str]) -> str:
            function, body = match[1], _MACRO.sub(replace, match[2])
            names = _names(function, body)
            # After the cluster, the macro is a part of the job's id, which our jobs have too.
            if names[:1] in (["process"], ["procid"]) and _CLUSTER.search(match.string[: match.start()]):
                return match[0]
            if self._per_job.intersection(names):
                raise ValueError(
                    f"{where} uses {match[0]}, which the queue statement sets; pass it to the calls instead"
                )
            if not self._defined.keys() & set(names):
                return f"${function}({body})"
            if depth > len(self._defined):
                raise ValueError(f"{where} uses {match[0]}, which cannot be expanded here: its value contains itself")
            values = {
                name: self.expand(self._defined[name], where, depth + 1) for name in names if name in self._defined
            }
            return self._call(function, body, values, f"{where} uses {match[0]}") if function else values[names[0]]

        return _MACRO.sub(replace, value)

    def _call(self, function: str, body: str, values: Mapping[str, str], where: str) -> str:
        """Have HTCondor expand a function, whose arguments may contain macros that it must not expand yet."""
        import htcondor2

        kept: list[str] = []

        def keep(macro: re.Match[str]) -> str:
            kept.append(macro[0])
            return f"_macro{len(kept) - 1}_"

        hidden = {name: re.sub(r"\$\$?\w*\((?:[^()]|\([^()]*\))*\)", keep, value) for name, value in values.items()}
        submit = htcondor2.Submit()
        try:
            for name, value in {**hidden, "condor_futures_value": f"${function}({body})"}.items():
                submit[name] = value
            result = str(submit.expand("condor_futures_value"))
        except KeyError:  # the result is empty
            result = ""
        except htcondor2.HTCondorException:
            result = f"${function}("
        if result.startswith(f"${function}(") or (kept and function.upper() in _NEVER_EMPTY - {"CHOICE"}):
            raise ValueError(f"{where}, which cannot be expanded here; write its value instead")
        if not result and function.upper() in _NEVER_EMPTY:
            raise ValueError(f"{where}, which cannot be expanded here: HTCondor finds no value for it")
        return re.sub(r"_macro(\d+)_", lambda macro: kept[int(macro[1])], result)


def _names(function: str, body: str) -> list[str]:
    """Return the names of the macros that ``$FUNCTION(body)`` uses, without those of macros inside the body."""
    if not function:
        return [body.partition(":")[0].strip().lower()]
    arguments = [argument.strip().lower() for argument in body.split(",")]
    match function.upper():
        case "ENV" | "RANDOM_INTEGER":
            return []
        case "RANDOM_CHOICE" if len(arguments) > 1:
            return []
        case "CHOICE" if len(arguments) > 2:  # noqa: PLR2004 - an index and one name, or an index and its choices
            return arguments[:1]
    return arguments


def used_names(text: str) -> set[str]:
    """Return the names of all macros that a text may use, in lower case.

    >>> sorted(used_names("$(a)/$INT(b,%03d) $(c:$(d))"))
    ['%03d', 'a', 'b', 'c', 'd']

    """
    used = set()
    for function, body in _MACRO.findall(text):
        used |= {*_names(function, body), *used_names(body)}
    return used
