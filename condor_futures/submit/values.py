"""Converts Python values to HTCondor's submit language: the text that condor_submit reads for a submit command.

Two rules define the meaning of a value. A `str` is submit language: HTCondor expands macros in it, such as
`$(Cluster)`, `$ENV(HOME)` or `$$(OpSys)`. A path or a mapping is data: it arrives unchanged, including dollar signs.
This module rejects values that could end their line or join the next one, and data that the language cannot express.

Units are HTCondor's: a number without a unit means MiB in `request_memory`, KiB in `request_disk`, and seconds in
`allowed_execute_duration` and `keep_claim_idle`. `request_memory="4GB"` is clearer than 4096, and a site may
require a unit (`SUBMIT_REQUEST_MISSING_UNITS`).

The module `description` defines the commands that exist and their use by the executor. The module `files_here` defines
the commands that name files of this machine.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Final

from condor_futures.submit.file_names import (
    absolute,
    escape_macros,
    file_names,
    inexpressible,
    is_one_name,
    quote_pairs,
    remap_pairs,
)
from condor_futures.submit.files_here import CLIENT_FILES, CLIENT_LISTS, FILE_LISTS

__all__ = [
    "Sourced",
    "is_directory_name",
    "quote_arguments",
    "quote_environment",
    "quote_file",
    "quote_remaps",
    "quote_value",
    "said_in",
]

# HTCondor removes a backslash before a slash (25.14). Python represents bytes that are not UTF-8 as surrogates.
_NO_DIRECTORY: Final = re.compile(r"[\n\r\0]|\\/|[\ud800-\udfff]")
# Other commands that take a list of items, separated by commas.
_LISTS: Final = frozenset(
    {
        "concurrency_limits",
        "email_attributes",
        "getenv",
        "job_ad_information_attrs",
        "job_machine_attrs",
        "submit_event_notes_attrs",
        "ulog_execute_attrs",
        "use_oauth_services",
    }
)
_ARGUMENTS: Final = re.compile(r"\w+_arg(?:ument)?s2?")


class Sourced(str):
    """The value of a submit command, with the file and the line that it comes from.

    Attributes:
        where: the file and the line.

    """

    __slots__ = ("where",)
    where: str

    @classmethod
    def of(cls, value: str, where: str) -> Sourced:
        """Return *value* with its source."""
        sourced = cls(value)
        sourced.where = where
        return sourced

    @classmethod
    def copy(cls, value: str, origin: object) -> str:
        """Return *value* with the source of *origin*, if it has one.

        >>> Sourced.copy("1024", Sourced.of("1GB", "a.sub, line 3")).where
        'a.sub, line 3'
        """
        return cls.of(value, origin.where) if isinstance(origin, Sourced) else value


def said_in(name: str, commands: Mapping[str, str]) -> str:
    """Return the name of a command for a message, with the file and the line that its value comes from.

    >>> said_in("rank", {"rank": Sourced.of("Memory", "a.sub, line 3")})
    'rank in a.sub, line 3,'
    """
    value = commands.get(name)
    return f"{name} in {value.where}," if isinstance(value, Sourced) else name


def quote_value(name: str, value: object) -> str:
    """Write a value of the submit command `name` in submit language.

    Args:
        name: a submit command by its first name, or `MY.<attribute>`.
        value: a value that `description.check_submit_commands` accepts.

    Raises:
        TypeError: the value has a wrong type.
        ValueError: the value cannot be written in a submit description.

    Example:
        >>> quote_value("container_target_dir", Path("/$(a)")), quote_value("MY.Tags", ["x", 3])
        ('/$(DOLLAR)(a)', '{"x", 3}')

    """
    if name == "environment":
        if isinstance(value, Mapping):
            return quote_environment(value)
        _check_old_environment(value)
    if name == "transfer_output_remaps" and isinstance(value, (Mapping, str)):
        return quote_remaps(value)
    if isinstance(value, (list, tuple, Mapping)) and name not in FILE_LISTS:
        return _one_line(name, _collection(name, value))
    if name in FILE_LISTS:
        return _one_line(name, ", ".join(_files(name, value)))
    if isinstance(value, Path) and not name.startswith("MY."):
        return _one_line(name, _literal(name, str(value.absolute())))
    text = _scalar(name, value)
    return _one_line(name, absolute(text) if name in CLIENT_FILES else text)


def _collection(name: str, value: Sequence[object] | Mapping[object, object]) -> str:
    if name.startswith("MY."):
        return _literal(name, _classad(name, value))
    if not isinstance(value, Mapping):
        if _ARGUMENTS.fullmatch(name):
            return quote_arguments(name, value)
        if name in _LISTS:
            return ", ".join(_item(name, item) for item in value)
    return _scalar(name, value)  # raises TypeError


def _scalar(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        if not math.isfinite(value):
            raise ValueError(f"the submit command {name!r} takes a finite number, not {value}")
        return repr(float(value))
    wanted = "str, bool, int or float" if name.startswith("MY.") else "str, bool, int, float or pathlib.Path"
    wanted += ", or a mapping of these" if name == "environment" else ""
    raise TypeError(f"the submit command {name!r} takes a value of type {wanted}, not {type(value).__name__}")


def quote_remaps(remaps: Mapping[object, object] | str) -> str:
    r"""Write the new names of output files for the submit command `transfer_output_remaps`.

    Args:
        remaps: name in the sandbox -> path on the client, or URL; or a `str` in submit language. A relative path is
            relative to the current directory.

    Raises:
        TypeError: a name is neither a `str` nor a path.
        ValueError: a name in the sandbox has a blank, `;` or `=`, or a name has a quotation mark.

    Example:
        >>> print(quote_remaps({"out.root": "/data/run7.root"}))
        "out.root = /data/run7.root"

    """
    pairs: list[tuple[str, str]] = []
    if isinstance(remaps, str):
        read = remap_pairs(_one_line("transfer_output_remaps", remaps))
        return remaps if read is None else _pairs(read) if read else ""
    for source, target in remaps.items():
        for name in (source, target):
            if not isinstance(name, (str, Path)):
                raise TypeError(f"transfer_output_remaps takes names as str or pathlib.Path, not {type(name).__name__}")
        place = _literal("transfer_output_remaps", str(target.absolute())) if isinstance(target, Path) else str(target)
        pairs.append((str(source), place))
    return _pairs(pairs)


def _pairs(pairs: Sequence[tuple[str, str]]) -> str:
    placed = []
    for source, target in pairs:
        if not source or not target or re.search(r'[\s;="]', source):  # HTCondor (25.14) loses blanks, escaped or not
            raise ValueError(
                f"transfer_output_remaps cannot contain the name {source or target!r}: blanks, ';', '=' and '\"' end "
                "names"
            )
        # A relative name would be relative to the job's initial directory, which is one of the session's.
        place = absolute(target)
        if '"' in place:
            raise ValueError(f"transfer_output_remaps cannot contain the name {place!r}: '\"' ends names")
        placed.append((source, place))
    return _one_line("transfer_output_remaps", quote_pairs(placed))


def _item(name: str, item: object) -> str:
    text = _scalar(name, item).strip()
    if not text or "," in text:
        raise ValueError(f"the submit command {name!r} cannot contain the item {item!r}: commas separate its items")
    return text


def _classad(name: str, value: object) -> str:
    """Write a value as a ClassAd expression; in lists and mappings, a str is a ClassAd string."""
    if isinstance(value, str):
        if re.search(r"[\n\r\0]", value):
            raise ValueError(f"the value of the submit command {name!r} must be one line without NUL characters")
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(_classad(name, item) for item in value) + "}"
    if isinstance(value, Mapping):
        for key in value:
            if not (isinstance(key, str) and re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII)):
                raise ValueError(f"{key!r} cannot name an attribute in the value of the submit command {name!r}")
        return "[" + "; ".join(f"{key} = {_classad(name, item)}" for key, item in value.items()) + "]"
    return _scalar(name, value)


def quote_arguments(name: str, arguments: Sequence[object]) -> str:
    r"""Write arguments in the new syntax of the submit command `name`, each as one word.

    Raises:
        TypeError: an argument is not a `str`, a number or a path.
        ValueError: an argument has a line break or NUL, or cannot be escaped in a submit description.

    Example:
        >>> print(quote_arguments("java_vm_args", ["-Dname=it's \"it\"", 3]))
        "'-Dname=it''s ""it""' 3"

    """
    words = []
    for argument in arguments:
        word = str(argument) if isinstance(argument, Path) else _scalar(name, argument)
        words.append("'" + word.replace("'", "''") + "'" if re.search(r"[\s']", word) or not word else word)
    quoted = '"' + " ".join(words).replace('"', '""') + '"'
    return _one_line(name, _literal(name, quoted))


def _one_line(name: str, text: str) -> str:
    """Return `text` if it stays on its line of a submit description, because the next line is another command."""
    if re.search(r"[\n\r\0]", text):
        raise ValueError(f"the value of the submit command {name!r} must be one line without NUL characters")
    if text.rstrip().endswith("\\"):
        raise ValueError(f"the value of the submit command {name!r} must not end with a backslash, which joins lines")
    return _utf8(name, text)


def _utf8(name: str, text: str) -> str:
    """Return `text` if UTF-8 can encode it. Python represents bytes that are not UTF-8 as surrogates."""
    if broken := re.search("[\ud800-\udfff]", text):
        raise ValueError(
            f"the value of the submit command {name!r} contains {broken[0]!r}, which stands for a byte that is not "
            "UTF-8"
        )
    return text


def _literal(name: str, text: str) -> str:
    """Escape `text` so that HTCondor expands no macro in it."""
    return escape_macros(f"the value of the submit command {name!r}", text)


def _files(name: str, value: object) -> list[str]:
    if isinstance(value, str):
        return [quote_file(name, file) for file in file_names(value)]
    return [quote_file(name, file) for file in (value if isinstance(value, (list, tuple)) else [value])]


def quote_file(name: str, file: object) -> str:
    """Write one item of the list of files that the submit command `name` takes.

    Raises:
        TypeError: *file* is neither a `str` nor a path.
        ValueError: *file* has a comma, or cannot be escaped in a submit description.

    Example:
        >>> quote_file("transfer_output_files", " hist.root "), quote_file("transfer_input_files", Path("/$(a)/b"))
        ('hist.root', '/$(DOLLAR)(a)/b')

    """
    if isinstance(file, Path):
        text = _literal(name, str(file.absolute() if name in CLIENT_LISTS else file))
    elif isinstance(file, str):
        text = absolute(file) if name in CLIENT_LISTS else file.strip()
    else:
        raise TypeError(f"the submit command {name!r} takes files as str or pathlib.Path, not {type(file).__name__}")
    if not is_one_name(text):
        raise ValueError(f"the submit command {name!r} cannot name the file {text!r}: commas separate its file names")
    return _utf8(name, text)


def is_directory_name(directory: Path) -> bool:
    """Return whether a submit description can name *directory* as the directory of jobs.

    Example:
        >>> is_directory_name(Path("/data/a $(b)")), is_directory_name(Path("/data/a$$(b)"))
        (True, False)

    """
    text = f"{directory}/"
    return not (inexpressible(text) or _NO_DIRECTORY.search(text))


def quote_environment(variables: Mapping[str, object]) -> str:
    r"""Write environment variables in the new syntax of the submit command `environment`.

    Args:
        variables: name -> value (`str`, `bool`, `int`, `float`, path). The job gets the values unchanged:
            HTCondor expands no macro in them.

    Raises:
        TypeError: a name is not a string, or a value has another type.
        ValueError: a name is empty or has a "="; or a name or value has a line break, a NUL, `$$(`, `$(DOLLAR)` or a
            macro inside another macro, which cannot be written in a submit description.

    Example:
        >>> print(quote_environment({"GREETING": "it's \"you\"", "HOME": "/tmp"}))
        "'GREETING=it''s ""you""' HOME=/tmp"

    """
    entries = []
    for variable, value in variables.items():
        if not isinstance(variable, str):
            raise TypeError(f"the name of an environment variable must be a str, not {variable!r}")
        if not variable or "=" in variable:
            raise ValueError(f"{variable!r} cannot name an environment variable")
        entry = f"{variable}={value if isinstance(value, Path) else _scalar('environment', value)}"
        entries.append("'" + entry.replace("'", "''") + "'" if re.search(r"[\s']", entry) else entry)
    quoted = '"' + " ".join(entries).replace('"', '""') + '"'
    return _one_line("environment", _literal("environment", quoted))


def _check_old_environment(value: object) -> None:
    """Raise an error for a value that looks like several variables but is one variable with blanks in its value.

    The separator is ";", unless the whole value is in quotation marks.
    """
    if not isinstance(value, str) or value.lstrip().startswith('"'):
        return
    if swallowed := re.search(r"[^;\s][ \t]+([A-Za-z_]\w*)=", value, re.ASCII):
        raise ValueError(
            f"in environment={value!r}, {swallowed[1]} is part of the value before it; use a mapping "
            'such as {"A": 1, "B": 2}, or put the whole value in quotation marks'
        )
