"""An existing submit file as the base of an executor: HTCondor reads it, we take what is not ours to say."""

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
from condor_futures.submit.files_here import CLIENT_FILES, CLIENT_LISTS, absolute, file_names, is_elsewhere

__all__ = ["add_submit_file", "read_submit_file"]

logger = logging.getLogger(__name__)

# $(name), $(name:default), $FUNCTION(arguments); what is inside may have macros too. $$(name) is the execution point's.
_MACRO: Final = re.compile(r"(?<!\$)\$(\w*)\(((?:[^()]|\([^()]*\))*)\)")
_DEFINED: Final = re.compile(r"^\s*(?:el)?if\s+!?\s*defined\s+([\w.]+)", re.IGNORECASE | re.MULTILINE)
# As HTCondor takes them, backwards from the first of these words (SubmitForeachArgs::parse_queue_args).
_QUEUE_VARIABLES: Final = re.compile(r"((?:[a-z_.][\w.]*[\s,]+)*)(?<!\S)(?:in|from|matching)(?=[\s(]|$)", re.IGNORECASE)
# What HTCondor sets for each job, unless the file does. $(Cluster), $(JobId) and the time are our jobs' too.
_SET_FOR_EACH_JOB: Final = frozenset({"item", "itemindex", "row", "step", "process", "procid", "taskid"})
_CLUSTER: Final = re.compile(r"\$\(cluster(id)?\)[._-]?$", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"\$\((?:cluster(?:id)?|jobid)\)", re.IGNORECASE)
_UNIVERSES: Final = {"vanilla", "docker", "container", "5"}
#: What the executor owns and has nothing in the place of, so that it would be missed.
_MISSED: Final = frozenset({"hold", "noop_job", "output_destination", "skip_if_dataflow"})
_LONG_VALUE: Final = re.compile(r"@=(\w+)$")
_QUEUE: Final = re.compile(r"queue(?![\w.])(?!\s*=)", re.IGNORECASE)


def read_submit_file(path: str | Path) -> dict[str, str]:
    """Return the submit commands of a submit file, for the executor's keywords.

    What says what is run and where its output goes (``executable``, ``arguments``, ``output``, ``log``, ``queue``, all
    that the executor owns) is left out, with a warning where nothing comes in its place. Macros that the file defines
    are put in; ``if``, ``include`` and the like have been seen to by HTCondor. Files are named from the file's
    ``initialdir``, where it has one.

    Raises:
        OSError: if it cannot be read.
        ValueError: if HTCondor refuses it; for another universe than vanilla, docker or container; for a command that
            the queue statement sets for each job, or a macro that it sets, or whose value is not in the file; for
            anything after the queue statement.
        TypeError: for a name that is neither a submit command nor used as a macro, with the nearest command.

    """
    import htcondor2

    text = Path(path).read_text()
    try:
        submit = htcondor2.Submit(text)
    except (htcondor2.HTCondorException, ValueError, SyntaxError) as error:
        raise ValueError(f"{path} is no submit file that HTCondor can read: {error}") from None
    if (rest := _after_queue(text)) is not None:
        raise ValueError(
            f"{path} goes on after its queue statement, with {rest!r}; an executor has the commands before one: write "
            "the others to a file of their own, or give them to with_options()"
        )
    defined = {name.lower(): value for name, value in submit.items()}
    queue = submit.getQArgs() or ""
    file = _SubmitFile(path, defined, _queue_variables(queue))
    universe = file.value("universe", submit.get("universe", "vanilla")).strip().lower()
    if universe not in _UNIVERSES:
        raise ValueError(
            f"{path} is for the {universe} universe; calls run in the vanilla, docker or container universe"
        )
    # HTCondor has left out the branches of an `if` that do not hold, and said nothing of those that do.
    used = {name.lower() for name in _DEFINED.findall(text)}
    for value in (text, queue, *submit.values()):
        used |= _used(value)
    commands = _commands(path, submit, used)
    for name in file.variables:
        if command := _command(name):
            raise ValueError(f"the queue statement in {path} sets {command} for each job; give it to with_options()")
    return {name: file.value(name, value) for name, value in commands.items()}


def _commands(path: str | Path, submit: Mapping[str, str], used: Collection[str]) -> dict[str, str]:
    """The submit commands that are not the executor's own, by their first names; macros that are *used* are none."""
    commands = {}
    for name, value in submit.items():
        first = ALIASES.get(name.lower(), name.lower())
        if first in OWNED:
            if first in _MISSED:
                logger.warning("%s in %s is left out: %s", name, path, OWNED[first])
            continue
        try:
            commands[canonical_name(name)] = value
        except TypeError:
            if name.lower() not in used:
                raise
    return commands


def _after_queue(text: str) -> str | None:
    r"""The first line after the queue statement, and its list of items, that says something.

    HTCondor's bindings stop at the first statement, without a word; condor_submit 25.14 refuses what comes after it.

    >>> _after_queue("queue 2 in (\n a\n)\n# the end\n"), _after_queue("if true\nqueue\nendif\nqueue 5\nrank = 1")
    (None, 'rank = 1')
    >>> _after_queue("environment @=end\nqueue\n@end\nqueue x from \\\n list.txt")
    """
    depth, in_list, queued, closing = 0, False, False, ""
    for line in map(str.strip, re.sub(r"\\[ \t]*\n", " ", text).splitlines()):
        if closing:  # of a value of several lines: name @=tag ... @tag
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
    """The names that a queue statement sets.

    >>> _queue_variables("2 in (a b)"), _queue_variables("$(N) Run, seed from (")
    ([], ['run', 'seed'])
    """
    variables = _QUEUE_VARIABLES.search(arguments)
    return re.split(r"[\s,]+", variables[1].strip(" \t,").lower()) if variables and variables[1] else []


def add_submit_file(path: str | Path, options: Mapping[str, Any], constructor: Callable[..., object]) -> dict[str, Any]:
    """The *options* of an executor, with the submit commands of a submit file where there are none of the same names.

    Args:
        path: the submit file.
        options: what the *constructor* has no parameter for is a submit command; None removes one of the file's.
        constructor: of the executor.

    Raises:
        OSError, TypeError, ValueError: as :func:`read_submit_file`.

    """
    own = inspect.signature(constructor).parameters
    base = check_submit_commands(read_submit_file(path))
    commands = {name: value for name, value in options.items() if name not in own}
    return {name: value for name, value in options.items() if name in own} | merge(base, commands)


def _command(name: str) -> str | None:
    """The submit command of this name, if there is one that the executor does not leave out."""
    try:
        return canonical_name(name) if name != "job_flavour" else None  # (which is ours, not HTCondor's)
    except TypeError:
        return None


def _names(function: str, body: str) -> list[str]:
    """The names of macros in ``$FUNCTION(body)``, without those of macros within it."""
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
    """What the values of one file are made of."""

    def __init__(self, path: str | Path, defined: Mapping[str, str], variables: list[str]) -> None:
        self.variables = variables
        self._path = path
        self._defined = defined
        self._per_job = {*variables, *(_SET_FOR_EACH_JOB - defined.keys())}
        self._set_directory = next((name for name in variables if ALIASES.get(name, name) == "initialdir"), None)

    def value(self, name: str, value: str) -> str:
        """The value of a submit command as it is without the file."""
        value = self._expand(value, f"{name} in {self._path}")
        if name in CLIENT_LISTS:
            return ", ".join(self._in_directory(name, file) for file in file_names(value))
        if name in CLIENT_FILES:
            return self._in_directory(name, value.strip())
        if name == "transfer_output_remaps" and "\\" not in value:
            pairs = (pair.partition("=") for pair in value.strip().strip('"').split(";") if pair.strip())
            # By absolute path: as text HTCondor takes it from the directory of the job, which is the session's.
            placed = [f"{source.strip()} = {self._in_directory(name, target.strip())}" for source, _, target in pairs]
            return f'"{"; ".join(placed)}"'
        return value

    def _in_directory(self, name: str, file: str) -> str:
        """A file of the client by absolute path: HTCondor takes a relative one from the job's directory."""
        elsewhere = is_elsewhere(file) and not _NUMBERED.match(file)
        if not file or file.startswith("/") or elsewhere:
            return file
        if self._set_directory:
            raise ValueError(
                f"{name} in {self._path} has {file!r}, relative to {self._set_directory}, which the queue statement "
                "sets; name it by absolute path"
            )
        given = (self._defined[key] for key in self._defined if ALIASES.get(key, key) == "initialdir")
        directory = next((value.strip() for value in given if value.strip()), "")
        directory = absolute(self._expand(directory, f"initialdir in {self._path}"))
        return os.path.join(directory or Path.cwd(), file)  # noqa: PTH118 - a slash at the end must survive

    def _expand(self, value: str, where: str, depth: int = 0) -> str:
        """Put in the macros that the file defines; HTCondor's own stay for HTCondor."""

        def replace(match: re.Match[str]) -> str:
            function, body = match[1], match[2]
            names = _names(function, body)
            for name in names:
                # After the cluster it is a part of the job's id, which ours have too.
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
