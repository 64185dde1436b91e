"""The option ``python_environment``: the archive or directory that has the Python of the jobs, and its checks."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from condor_futures.options.environment_files import (
    Facts,
    Kind,
    UnreadableError,
    archive_facts,
    directory_facts,
    kind_of,
)

__all__ = ["PythonEnvironment", "python_environment"]

_ARCH: Final = re.compile(r"\barch\b", re.IGNORECASE)
_MADE_BY: Final = "conda-pack, venv-pack or `pixi-pack --create-executable`"
_WANTED: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True)
class PythonEnvironment:
    """The environment whose Python makes the calls of jobs.

    Attributes:
        source: the user's archive or directory.
        name: the name of the archive in the session.
        kind: how the session gets this archive from the source.
        state: size and time of the source when it was checked; empty for a directory.
        machine: the processor that it is for, as in platform.machine(); empty if that is unknown.

    """

    source: Path
    name: str
    kind: Kind = "tar"
    state: tuple[int, ...] = ()
    machine: str = ""

    def check_machine(self, commands: Mapping[str, str]) -> None:
        """Check that jobs with the submit *commands* run on the processor that the environment is for.

        Raises:
            ValueError: they do not.

        """
        here = platform.machine()
        if self.machine and self.machine != here and not _ARCH.search(commands.get("requirements", "")):
            raise ValueError(
                f"{_named(self.source)} is for the processor {self.machine}, but jobs run on machines like this one, "
                f"{here}; make it on such a machine, or select others: requirements='Arch == \"{self.machine}\"'"
            )

    def trouble(self) -> Exception | None:
        """Return why jobs cannot get the archive any more; None if they can.

        >>> print(PythonEnvironment(Path("/no/env.tar.gz"), "0123.tar", state=(7, 7)).trouble())
        the file '/no/env.tar.gz' in python_environment does not exist
        """
        if not self.state:
            return None  # the session has a copy
        try:
            state = _state(self.source)
        except OSError:
            return _missing(self.source)
        if state != self.state:
            return ValueError(
                f"{_named(self.source)} has changed; pass it to with_options() or to a new executor to use the new one"
            )
        return None

    def record(self) -> Sequence[Any]:
        """Return it for a JSON file."""
        return [str(self.source), self.name]

    @classmethod
    def from_record(cls, record: Sequence[Any]) -> PythonEnvironment:
        """Return it from a *record* that :meth:`record` returned; the session has its archive already."""
        return cls(Path(record[0]), record[1])


def python_environment(option: object) -> PythonEnvironment | None:
    """Return the environment for the executor's argument *option*; None for None and False.

    Raises:
        TypeError: *option* is neither a path nor None or False.
        FileNotFoundError: there is no such file.
        ValueError: it is not an environment that jobs can use, as far as the archive tells.

    >>> python_environment("/no/env.tar.gz")
    Traceback (most recent call last):
    FileNotFoundError: the file '/no/env.tar.gz' in python_environment does not exist

    """
    if option is None or option is False:
        return None
    if not isinstance(option, (str, os.PathLike)) or isinstance(option, bytes):
        raise TypeError(
            f"python_environment must be the path of an archive or a directory, not {type(option).__name__}"
        )
    source = Path(option).expanduser().absolute()
    if source.is_dir():
        return _of_directory(source)
    try:
        return _of_archive(source, _state(source))
    except FileNotFoundError:
        raise _missing(source) from None
    except OSError as error:
        raise ValueError(f"{_named(source)} cannot be read: {error.strerror or error}") from error


def _named(source: Path) -> str:
    return f"the environment {str(source)!r} in python_environment"


def _missing(source: Path) -> FileNotFoundError:
    return FileNotFoundError(f"the file {str(source)!r} in python_environment does not exist")


def _state(source: Path) -> tuple[int, ...]:
    about = source.stat()
    return about.st_size, about.st_mtime_ns


@functools.lru_cache(maxsize=32)  # reading a large archive takes seconds
def _of_archive(source: Path, state: tuple[int, ...]) -> PythonEnvironment:
    kind = kind_of(source)
    if kind is None:
        raise ValueError(
            f"{_named(source)} is not an archive that jobs can unpack; make it with {_MADE_BY}, or pass the directory "
            "of a venv"
        )
    try:
        facts = archive_facts(source, kind)
    except UnreadableError as error:
        raise ValueError(f"{_named(source)} cannot be read: {error}; make the archive again") from error
    _check(source, facts)
    if facts.needs_pixi_unpack and kind != "script":
        kind = "pixi"
        if shutil.which("pixi-unpack") is None:
            raise ValueError(
                f"{_named(source)} was made by pixi-pack, and jobs need pixi-unpack, which is not on PATH here; make "
                "it with `pixi-pack --create-executable`"
            )
    suffix: Literal[".sh", ".tar"] = ".sh" if kind == "script" else ".tar"
    return PythonEnvironment(
        source,
        _digest([str(source), *map(str, state)]) + suffix,
        kind,
        state if kind in ("tar", "script") else (),
        facts.machine,
    )


def _of_directory(source: Path) -> PythonEnvironment:
    facts, listing = directory_facts(source)
    _check(source, facts)
    if facts.is_conda and not facts.can_be_moved:
        raise ValueError(
            f"{_named(source)} is a conda environment, whose files contain its path; run `conda-pack -p {source} -o "
            "environment.tar.gz`, and pass that archive"
        )
    return PythonEnvironment(source, f"{_digest([str(source), *listing])}.tar", "directory", (), facts.machine)


def _check(source: Path, facts: Facts) -> None:
    """Raise ValueError unless this client and jobs on Linux can use an environment with these *facts*."""
    if facts.system not in ("", "Linux"):
        raise ValueError(
            f"{_named(source)} is for {facts.system}, but jobs run on Linux; make it on Linux"
            + (" (pixi-pack --platform linux-64)" if facts.needs_pixi_unpack else "")
        )
    if not facts.has_python:
        where = f"only at {facts.deeper}; make the archive of that directory" if facts.deeper else ""
        raise ValueError(
            f"{_named(source)} has no Python: bin/python must be at the top, or in a directory at the top"
            + (f", but is {where}" if where else "; install python into the environment, and make it again")
        )
    if facts.broken_link:
        raise ValueError(f"{_named(source)} has no Python: {facts.broken_link} does not exist; make the venv again")
    if facts.version and facts.version != _WANTED:
        raise ValueError(
            f"{_named(source)} has Python {facts.version}, but this program runs Python {_WANTED}, and both must have "
            f"the same minor version; make it with Python {_WANTED}, or start the program with Python {facts.version}"
        )


def _digest(words: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:16]
