"""Reads a submit file with HTCondor's parser, and returns the commands that an executor can use."""

from __future__ import annotations

import inspect
import logging
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from condor_futures.submit.commands import ALIASES, OWNED
from condor_futures.submit.description import canonical_name, check_submit_commands, merge
from condor_futures.submit.file_names import absolute, file_names, is_elsewhere
from condor_futures.submit.files_here import CLIENT_FILES, CLIENT_LISTS

__all__ = ["add_submit_file", "read_submit_file"]

logger = logging.getLogger(__name__)

# $(name), $(name:default), $FUNCTION(arguments), possibly with macros inside; not $$(name), which is the execution
# point's.
_MACRO: Final = re.compile(r"(?<!\$)\$(\w*)\(((?:[^()]|\([^()]*\))*)\)")
_DEFINED: Final = re.compile(r"^\s*(?:el)?if\s+!?\s*defined\s+([\w.]+)", re.IGNORECASE | re.MULTILINE)
# HTCondor finds the variables backwards from the first of these words (SubmitForeachArgs::parse_queue_args).
_QUEUE_VARIABLES: Final = re.compile(r"((?:[a-z_.][\w.]*[\s,]+)*)(?<!\S)(?:in|from|matching)(?=[\s(]|$)", re.IGNORECASE)
# The macros that HTCondor sets for each job, unless the file sets them. $(Cluster), $(JobId) and the time also work in
# our jobs.
_SET_FOR_EACH_JOB: Final = frozenset({"item", "itemindex", "row", "step", "process", "procid", "taskid"})
_CLUSTER: Final = re.compile(r"\$\(cluster(id)?\)[._-]?$", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"\$\((?:cluster(?:id)?|jobid)\)", re.IGNORECASE)
_UNIVERSES: Final = {"vanilla", "docker", "container", "5"}
#: The commands that the executor owns without a substitute, so that leaving them out needs a warning.
_MISSED: Final = frozenset({"hold", "noop_job", "output_destination", "skip_if_dataflow"})
_LONG_VALUE: Final = re.compile(r"@=(\w+)$")
_QUEUE: Final = re.compile(r"queue(?![\w.])(?!\s*=)", re.IGNORECASE)


def read_submit_file(path: str | Path) -> dict[str, str]:
    """Return the submit commands of a submit file, for the executor's keywords.

    The function leaves out all commands that the executor owns, such as ``executable``, ``arguments``, ``output``,
    ``log`` and ``queue``, with a warning if the executor has no substitute. It expands macros that the file defines.
    HTCondor has already evaluated ``if``, ``include`` and similar statements. Relative files are in the file's
    ``initialdir``, if it has one.

    Raises:
        OSError: the file cannot be read.
        ValueError: HTCondor rejects the file; the universe is not vanilla, docker or container; the queue statement
            sets a command, or a macro of a command, for each job; a macro cannot be expanded here; or the file
            continues after the queue statement.
        TypeError: a name is neither a submit command nor used as a macro; the message has the nearest command.

    """
    import htcondor2

    text = Path(path).read_text()
    try:
        submit = htcondor2.Submit(text)
    except (htcondor2.HTCondorException, ValueError, SyntaxError) as error:
        raise ValueError(f"HTCondor cannot read the submit file {path}: {error}") from None
    if (rest := _after_queue(text)) is not None:
        raise ValueError(
            f"{path} continues after its queue statement with {rest!r}; an executor uses only the commands before the "
            "statement; write the others to another file, or pass them to with_options()"
        )
    defined = {name.lower(): value for name, value in submit.items()}
    queue = submit.getQArgs() or ""
    file = _SubmitFile(path, defined, _queue_variables(queue))
    universe = file.value("universe", submit.get("universe", "vanilla")).strip().lower()
    if universe not in _UNIVERSES:
        raise ValueError(
            f"{path} is for the {universe} universe; calls run in the vanilla, docker or container universe"
        )
    # HTCondor has removed the false branches of each `if`, and does not report the conditions.
    used = {name.lower() for name in _DEFINED.findall(text)}
    for value in (text, queue, *submit.values()):
        used |= _used(value)
    commands = _commands(path, submit, used)
    for name in file.variables:
        if command := _command(name):
            raise ValueError(f"the queue statement in {path} sets {command} for each job; pass it to with_options()")
    return {name: file.value(name, value) for name, value in commands.items()}


def _commands(path: str | Path, submit: Mapping[str, str], used: Collection[str]) -> dict[str, str]:
    """Return the submit commands that the executor does not own, by first name, without macros that are *used*."""
    commands = {}
    for name, value in submit.items():
        first = ALIASES.get(name.lower(), name.lower())
        if first in OWNED:
            if first in _MISSED:
                logger.warning("ignored %s in %s: %s", name, path, OWNED[first])
            continue
        try:
            commands[canonical_name(name)] = value
        except TypeError:
            if name.lower() not in used:
                raise
    return commands


def _after_queue(text: str) -> str | None:
    r"""Return the first line after the queue statement and its list of items that is neither empty nor a comment.

    HTCondor's bindings silently stop at the first queue statement. condor_submit 25.14 rejects lines after it.

    >>> _after_queue("queue 2 in (\n a\n)\n# the end\n"), _after_queue("if true\nqueue\nendif\nqueue 5\nrank = 1")
    (None, 'rank = 1')
    >>> _after_queue("environment @=end\nqueue\n@end\nqueue x from \\\n list.txt")
    """
    depth, in_list, queued, closing = 0, False, False, ""
    for line in map(str.strip, re.sub(r"\\[ \t]*\n", " ", text).splitlines()):
        if closing:  # in a value of several lines: name @=tag ... @tag
            closing = closing if line != closing else ""
        elif in_list:
            in_list = not line.startswith(")")
        elif line and not line.startswith("#"):
            if queued:
                return line
            word = line.split(None, 1)[0].lower()
            depth += (word == "if") - (word == "endif")
            if long_value := _LONG_VALUE.search(line):
                closing = f"@{long_value[1]}"
            if _QUEUE.match(line):
                in_list, queued = line.count("(") > line.count(")"), depth == 0
    return None


def _queue_variables(arguments: str) -> list[str]:
    """Return the names of the variables that a queue statement sets.

    >>> _queue_variables("2 in (a b)"), _queue_variables("$(N) Run, seed from (")
    ([], ['run', 'seed'])
    """
    variables = _QUEUE_VARIABLES.search(arguments)
    return re.split(r"[\s,]+", variables[1].strip(" \t,").lower()) if variables and variables[1] else []


def add_submit_file(path: str | Path, options: Mapping[str, Any], constructor: Callable[..., object]) -> dict[str, Any]:
    """Return the *options* of an executor with the commands of a submit file; *options* take precedence.

    Args:
        path: the submit file.
        options: the options. An option that is not a parameter of the *constructor* is a submit command; None removes
            the file's command.
        constructor: the executor's constructor.

    Raises:
        OSError, TypeError, ValueError: for the same reasons as :func:`read_submit_file`.

    """
    own = inspect.signature(constructor).parameters
    base = check_submit_commands(read_submit_file(path))
    commands = {name: value for name, value in options.items() if name not in own}
    return {name: value for name, value in options.items() if name in own} | merge(base, commands)


def _command(name: str) -> str | None:
    """Return the first name of the submit command *name*; None if there is none, or the executor owns it."""
    try:
        return canonical_name(name) if name != "job_flavour" else None  # our keyword, not HTCondor's
    except TypeError:
        return None


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


def _used(text: str) -> set[str]:
    used = set()
    for function, body in _MACRO.findall(text):
        used |= {*_names(function, body), *_used(body)}
    return used


class _SubmitFile:
    """The macros of one submit file, and the values of its commands without these macros."""

    def __init__(self, path: str | Path, defined: Mapping[str, str], variables: list[str]) -> None:
        self.variables = variables
        self._path = path
        self._defined = defined
        self._per_job = {*variables, *(_SET_FOR_EACH_JOB - defined.keys())}
        self._set_directory = next((name for name in variables if ALIASES.get(name, name) == "initialdir"), None)

    def value(self, name: str, value: str) -> str:
        """Return the value of a submit command in a form that does not depend on the file."""
        value = self._expand(value, f"{name} in {self._path}")
        if name in CLIENT_LISTS:
            return ", ".join(self._in_directory(name, file) for file in file_names(value))
        if name in CLIENT_FILES:
            return self._in_directory(name, value.strip())
        if name == "transfer_output_remaps" and "\\" not in value:
            pairs = (pair.partition("=") for pair in value.strip().strip('"').split(";") if pair.strip())
            # Absolute, because HTCondor resolves a relative path from the job's directory, which is the session's.
            placed = [f"{source.strip()} = {self._in_directory(name, target.strip())}" for source, _, target in pairs]
            return f'"{"; ".join(placed)}"'
        return value

    def _in_directory(self, name: str, file: str) -> str:
        """Return the absolute path of a client's file; HTCondor resolves a relative one from the job's directory."""
        elsewhere = is_elsewhere(file) and not _NUMBERED.match(file)
        if not file or file.startswith("/") or elsewhere:
            return file
        if self._set_directory:
            raise ValueError(
                f"{name} in {self._path} has {file!r}, relative to {self._set_directory}, which the queue statement "
                "sets; use an absolute path"
            )
        given = (self._defined[key] for key in self._defined if ALIASES.get(key, key) == "initialdir")
        directory = next((value.strip() for value in given if value.strip()), "")
        directory = absolute(self._expand(directory, f"initialdir in {self._path}"))
        return os.path.join(directory or Path.cwd(), file)  # noqa: PTH118 - a slash at the end must stay

    def _expand(self, value: str, where: str, depth: int = 0) -> str:
        """Expand the macros that the file defines; HTCondor expands its own macros later."""

        def replace(match: re.Match[str]) -> str:
            function, body = match[1], match[2]
            names = _names(function, body)
            for name in names:
                # After the cluster, the macro is a part of the job's id, which our jobs have too.
                is_id = name in ("process", "procid") and _CLUSTER.search(match.string[: match.start()])
                if name in self._per_job and not is_id:
                    raise ValueError(
                        f"{where} uses {match[0]}, which the queue statement sets; pass it to the calls instead"
                    )
            if not self._defined.keys() & set(names):
                return f"${function}({_MACRO.sub(replace, body)})"
            if function or depth > len(self._defined):
                raise ValueError(f"{where} uses {match[0]}, which cannot be expanded here; write its value instead")
            return self._expand(self._defined[names[0]], where, depth + 1)

        return _MACRO.sub(replace, value)
