"""Reads a submit file with HTCondor's parser, and returns the commands that an executor can use."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from condor_futures.submit.command_names import canonical_name, sets_the_same, suggestions
from condor_futures.submit.commands import ALIASES, OPTIONS, OWNED, OWNED_ATTRIBUTES
from condor_futures.submit.description import check_submit_commands
from condor_futures.submit.expressions import check_expression
from condor_futures.submit.file_names import absolute, file_names, is_elsewhere, quote_pairs, remap_pairs
from condor_futures.submit.files_here import CLIENT_FILES, CLIENT_LISTS
from condor_futures.submit.macros import Macros, used_names
from condor_futures.submit.submit_lines import SubmitText
from condor_futures.submit.values import Sourced, quote_value

__all__ = ["add_submit_file", "read_submit_file"]

logger = logging.getLogger(__name__)

_DEFINED: Final = re.compile(r"^\s*(?:el)?if\s+!?\s*defined\s+([\w.]+)", re.IGNORECASE | re.MULTILINE)
# HTCondor finds the variables backwards from the first of these words (SubmitForeachArgs::parse_queue_args).
_QUEUE_VARIABLES: Final = re.compile(r"((?:[a-z_.][\w.]*[\s,]+)*)(?<!\S)(?:in|from|matching)(?=[\s(]|$)", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"\$\((?:cluster(?:id)?|jobid)\)", re.IGNORECASE)
_UNIVERSES: Final = {"vanilla", "docker", "container", "5"}
#: The commands that the executor owns without a substitute, so that leaving them out needs a warning.
_MISSED: Final = frozenset({"checkpoint_exit_code", "hold", "noop_job", "output_destination", "skip_if_dataflow"})


def read_submit_file(path: str | Path, own: Mapping[str, object] = MappingProxyType({})) -> dict[str, str]:
    """Return the submit commands of a submit file, for the executor's keywords.

    The function leaves out all commands that the executor owns, such as ``executable``, ``arguments``, ``output``,
    ``log`` and ``queue``, and their attributes, with a warning if the executor has no substitute. It expands macros
    that the file defines. HTCondor has already evaluated ``if``, ``include`` and similar statements. Relative files are
    in the file's ``initialdir``, if it has one.

    Args:
        path: the submit file, in UTF-8 or Latin-1.
        own: commands that replace those of the file, before anything in the file is expanded or refused.

    Raises:
        OSError: the file cannot be read.
        ValueError: HTCondor rejects the file; the universe is not vanilla, docker or container; the queue statement
            sets a command, or a macro of a command, for each job; a macro cannot be expanded here; a value is invalid;
            or the file continues after the queue statement.
        TypeError: a name is neither a submit command nor used as a macro, and resembles a command; or the executor
            does not take an attribute.

    """
    file = SubmitText.read(path)
    submit = _parse(file)
    if (rest := file.after_queue()) is not None:
        raise ValueError(
            f"{file.path} continues after its queue statement, with {rest[1]!r} in line {rest[0]}; an executor uses "
            "only the commands before the statement; write the others to another file, or pass them to with_options()"
        )
    # A value of several lines is one line in our description; HTCondor reads a line break as a blank.
    defined = {name: " ".join(value.splitlines()) for name, value in submit.items()}
    queue = submit.getQArgs() or ""
    reader = _Reader(file, {name.lower(): value for name, value in defined.items()}, queue, submit.items())
    universe = str(submit.get("universe", "vanilla"))
    universe = reader.macros.expand(universe, reader.place("universe")).strip().lower()
    if universe not in _UNIVERSES:
        raise ValueError(
            f"{file.where('universe')}: the file is for the {universe} universe; calls run in the vanilla, docker or "
            "container universe"
        )
    # HTCondor has removed the false branches of each `if`, and does not report the conditions.
    used = {name.lower() for name in _DEFINED.findall(file.text)}
    for value in (file.text, queue, *defined.values()):
        used |= used_names(value)
    replaced = {canonical_name(name) for name in own}
    for name in reader.variables:
        command = _command(name)
        if command is not None and command not in replaced:
            raise ValueError(
                f"the queue statement in {file.queue} sets {command} for each job; pass it to with_options()"
            )
    commands = reader.commands(defined, used, replaced)
    return reader.checked({name: reader.value(name, each) for name, each in commands.items()}, commands)


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
    parameters = inspect.signature(constructor).parameters
    own = {name: value for name, value in options.items() if name not in parameters}
    check_submit_commands(own)
    return {**read_submit_file(path, own), **options}


def _parse(file: SubmitText) -> Any:
    """Return the file as HTCondor's parser reads it."""
    import htcondor2

    def read(text: str) -> Any:
        return htcondor2.Submit(text)

    def reads(text: str) -> bool:
        try:
            read(text)
        except (htcondor2.HTCondorException, ValueError, SyntaxError):
            return False
        return True

    try:
        return read(file.text)
    except (htcondor2.HTCondorException, ValueError, SyntaxError) as error:
        wrong = file.wrong_statement(reads)
        what = f"{file.at(wrong.line)}: {wrong.text!r}" if wrong is not None else f"{file.path}: {error}"
        raise ValueError(f"HTCondor cannot read the submit file {what}") from None


def _queue_variables(arguments: str) -> list[str]:
    """Return the names of the variables that a queue statement sets.

    >>> _queue_variables("2 in (a b)"), _queue_variables("$(N) Run, seed from (")
    ([], ['run', 'seed'])
    """
    variables = _QUEUE_VARIABLES.search(arguments)
    return re.split(r"[\s,]+", variables[1].strip(" \t,").lower()) if variables and variables[1] else []


def _command(name: str) -> str | None:
    """Return the first name of the submit command *name*; None if there is none, or the executor owns it."""
    try:
        return canonical_name(name) if name != "job_flavour" else None  # our keyword, not HTCondor's
    except TypeError:
        return None


@dataclass(frozen=True)
class _Given:
    """A command of the file: the name that the file gives it, its value, and the file and the line."""

    name: str
    value: str
    where: str


@contextlib.contextmanager
def _telling(given: _Given) -> Iterator[None]:
    """Add the file and the line to errors."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{given.where}: {error}") from None


class _Reader:
    """The commands of one submit file, and their values without the file's macros."""

    def __init__(self, file: SubmitText, defined: Mapping[str, str], queue: str, items: Collection[Any]) -> None:
        self.variables = _queue_variables(queue)
        self._file = file
        self._defined = defined
        self._values = {name: value for name, value in items}  # noqa: C416 - items may be a view of the file
        plain = Macros(defined, self.variables, many=True)
        count = plain.expand(queue, "the queue statement") if not self.variables else queue
        self.macros = Macros(defined, self.variables, many=count.strip() not in ("", "1"))
        self._set_directory = next((name for name in self.variables if ALIASES.get(name, name) == "initialdir"), None)

    def place(self, name: str) -> str:
        """Return the name of a command with the file and the line, for messages."""
        where = self._file.where(name, self._values.get(name))
        return f"{name} in {where}" + ("," if where != self._file.path else "")

    def commands(
        self, defined: Mapping[str, str], used: Collection[str], replaced: Collection[str]
    ) -> dict[str, _Given]:
        """Return the submit commands that the executor does not own, by first name.

        Args:
            defined: the commands and macros of the file, by name.
            used: the names in lower case that the file uses as macros.
            replaced: the first names of commands that the user's own keywords replace.

        """
        found: dict[str, _Given] = {}
        for name, value in defined.items():
            given = _Given(name, value, self._file.where(name, self._values[name]))
            first = self._first_name(given, used)
            if first is None or any(sets_the_same(own, first) for own in replaced):
                continue
            if first not in found or name.lower() == first.lower():  # HTCondor reads the first name first
                found[first] = given
        for name in [name for name in found if name in ("MY.TransferInput", "MY.TransferOutput")]:
            self._transfer_attribute(found, name)
        return found

    def _first_name(self, given: _Given, used: Collection[str]) -> str | None:
        """Return the first name of a command; None for a command that is left out, and for a macro."""
        name = given.name.lower()
        owner = OWNED_ATTRIBUTES.get(name[3:]) if name.startswith("my.") else None
        first = owner or ALIASES.get(name, name)
        if first in OWNED:
            if first in _MISSED:
                logger.warning("ignored %s in %s: %s", given.name, given.where, OWNED[first])
            return None
        if owner is not None:  # TransferInput and TransferOutput, to which the executor adds its own files
            return {"transfer_input_files": "MY.TransferInput", "transfer_output_files": "MY.TransferOutput"}.get(owner)
        try:
            return canonical_name(given.name)
        except TypeError as error:
            if name in used:
                return None
            near = suggestions(name)
            if name.startswith("my.") or name in OPTIONS or near:
                unused = "" if name.startswith("my.") else f"nothing uses the macro {given.name}, and "
                raise TypeError(f"{given.where}: {unused}{error}") from None
        logger.warning("%s: %s is a macro that nothing uses; no submit command has this name", given.where, given.name)
        return None

    @staticmethod
    def _transfer_attribute(found: dict[str, _Given], name: str) -> None:
        """Replace an attribute by the command that sets it, over which the attribute takes precedence."""
        given = found.pop(name)
        command = "transfer_input_files" if name == "MY.TransferInput" else "transfer_output_files"
        found.pop(command, None)
        text = given.value.strip()
        if not re.fullmatch(r'"[^"\\]*"', text):
            raise ValueError(f"{given.where}: {given.name} must be a list of files in quotation marks, not {text}")
        if text != '""':
            found[command] = _Given(given.name, text[1:-1], given.where)

    def value(self, first: str, given: _Given) -> str:
        """Return the value of a submit command in a form that does not depend on the file."""
        name = f"{given.name} in {given.where}" + ("," if given.where != self._file.path else "")
        value = self.macros.expand(given.value, name)
        if first in CLIENT_LISTS:
            return ", ".join(self._in_directory(name, file) for file in file_names(value))
        if first in CLIENT_FILES:
            return self._in_directory(name, value.strip())
        if first == "transfer_output_remaps" and (pairs := remap_pairs(value)):
            # Absolute, because HTCondor resolves a relative path from the job's directory, which is the session's.
            return quote_pairs([(source, self._in_directory(name, target)) for source, target in pairs])
        return value

    def checked(self, values: Mapping[str, str], given: Mapping[str, _Given]) -> dict[str, str]:
        """Return the commands as an executor has them; errors name the file and the line."""
        checked: dict[str, str] = {}
        for name, value in values.items():
            with _telling(given[name]):
                checked[name] = quote_value(name, value)
        for name in values:
            with _telling(given[name]):
                check_expression(name, checked[name], checked)
        return {name: Sourced.of(value, given[name].where) for name, value in checked.items()}

    def _in_directory(self, where: str, file: str) -> str:
        """Return the absolute path of a client's file; HTCondor resolves a relative one from the job's directory."""
        elsewhere = is_elsewhere(file) and not _NUMBERED.match(file)
        if not file or file.startswith("/") or elsewhere:
            return file
        if self._set_directory:
            raise ValueError(
                f"{where} has {file!r}, relative to {self._set_directory}, which the queue statement sets; use an "
                "absolute path"
            )
        named = [key for key in self._defined if ALIASES.get(key, key) == "initialdir"]
        values = {key: self._defined[key].strip() for key in named if self._defined[key].strip()}
        directory = "."
        for key, value in values.items():
            directory = self.macros.expand(value, self.place(key))
            break
        return os.path.join(absolute(directory), file)  # noqa: PTH118 - a slash at the end must stay
