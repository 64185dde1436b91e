"""Links to files whose names HTCondor would misread in a spooled job.

HTCondor splits the list of a spooled job's input files at blanks, and ignores new names of output files with blanks,
";" or "=" (see :mod:`condor_futures.submit.files_here`). So such a directory gets a link with a name that HTCondor can
read, in a directory of the session. A file whose own name has blanks keeps its name: HTCondor transfers a directory
that contains only a link to the file, and the runner takes the file out of this directory. The contents of a directory,
which a slash at the end stands for, are listed too: the schedd splits this list when it sends the files to the
execution point (25.14). HTCondor does not follow a link to a directory, so a directory whose own name has blanks is
rebuilt, with links to its files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from condor_futures.execution_point.bundle import NAMED
from condor_futures.submit.file_names import (
    escape_macros,
    file_names,
    plain_name,
    quote_pairs,
    remap_pairs,
    split_directory,
)

__all__ = ["Links", "needs_links"]

#: What HTCondor misreads in the name of an input file, in the contents of a directory, and in the new name of an output
#: file, outside macros.
_IN_INPUT: Final = re.compile(r"[ \t\v\f]")
_IN_CONTENTS: Final = re.compile(r"[ \t\v\f,]")
_IN_TARGET: Final = re.compile(r"[ \t\v\f;=]")


def needs_links(description: Mapping[str, str]) -> bool:
    """Return whether HTCondor may misread the name of a file in the *description* of spooled jobs.

    >>> needs_links({"transfer_input_files": "$(bundle).calls, /a/b.root"})
    False
    >>> needs_links({"transfer_input_files": "$(bundle).calls, /my data/b.root"})
    True
    >>> needs_links({"transfer_input_files": "/a/contents/"})
    True

    """
    names = file_names(description.get("transfer_input_files", ""))
    if any(name.endswith("/") for name in names):
        return True
    names += [target for _, target in remap_pairs(description.get("transfer_output_remaps", "")) or ()]
    return any(_IN_TARGET.search(name) for name in [*names, description.get("container_image", "")])


class Links:
    """The links of one session. They belong to the thread that submits the session's jobs."""

    def __init__(self, directory: Path, seen_from: Path) -> None:
        """Create it without links.

        Args:
            directory: the directory for the links; it is created if necessary.
            seen_from: the initial directory of a job.

        """
        self._directory = directory
        # HTCondor splits only the names in the list, and not the name of the initial directory.
        self._absolute = not _IN_TARGET.search(str(directory))
        place = str(directory) if self._absolute else os.path.relpath(directory, seen_from)
        self._text = escape_macros("the session's directory", place)

    def linked(self, description: Mapping[str, str]) -> dict[str, str]:
        """Return the *description* of spooled jobs with the names of links for names that HTCondor would misread.

        Raises:
            OSError: a link cannot be made.
            ValueError: the session's own directory has such a name, and ``preserve_relative_paths`` forbids names that
                are relative to it.

        """
        linked = dict(description)
        if "transfer_input_files" in linked:
            files = file_names(linked["transfer_input_files"])
            linked["transfer_input_files"] = ", ".join(map(self._input, files))
        if remaps := remap_pairs(linked.get("transfer_output_remaps", "")):
            linked["transfer_output_remaps"] = quote_pairs(
                [(source, self._in_linked_directory(target, _IN_TARGET)) for source, target in remaps]
            )
        if "container_image" in linked:
            linked["container_image"] = self._in_linked_directory(linked["container_image"], _IN_INPUT)
        kept = linked.get("preserve_relative_paths", "false").lower() not in ("false", "no", "0", "f", "n")
        if kept and not self._absolute and linked["transfer_input_files"] != description["transfer_input_files"]:
            raise ValueError(
                "with preserve_relative_paths and blanks in a file's name, the session directory's must have none"
            )
        return linked

    def _input(self, file: str) -> str:
        _, name = split_directory(file)
        path = plain_name(file)
        if path is not None and path.startswith("/"):
            if _IN_INPUT.search(name):
                return f"{self._text}/{self._place_of(Path(path))}"
            if not name and _is_misread(Path(path)):
                return f"{self._text}/{self._place_of(Path(path), contents=True)}"
        return self._in_linked_directory(file, _IN_INPUT)

    def _in_linked_directory(self, file: str, misread: re.Pattern[str]) -> str:
        directory, name = split_directory(file)
        path = plain_name(directory)
        if not path or not path.startswith("/") or not misread.search(path):
            return file
        return f"{self._text}/{self._link(Path(path))}/{name}"

    def _link(self, path: Path) -> str:
        """Make a link to the directory *path*; return its name."""
        name = _digest([os.fspath(path)])
        self._directory.mkdir(mode=0o700, exist_ok=True)
        if not os.path.lexists(self._directory / name):
            (self._directory / name).symlink_to(path)
        return name

    def _place_of(self, path: Path, *, contents: bool = False) -> str:
        """Make a directory that contains only *path*, under its own name, or its contents; return the directory's name.

        The runner knows such a directory by its name.
        """
        listed = list(_tree(path))[contents:]
        name = NAMED + _digest([os.fspath(path), str(contents), *(f"{kind}{relative}" for kind, relative in listed)])
        place = self._directory / name
        if not place.exists():
            new = place.with_name(f"{name}.new")  # its name appears only when it is complete
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(mode=0o700, parents=True)
            for kind, relative in listed:
                of, to = path / relative, new / ("" if contents else path.name) / relative
                if kind == "d":
                    to.mkdir()
                    to.chmod(of.stat().st_mode & 0o777 | 0o700)
                else:
                    to.symlink_to(of)
            new.rename(place)
        return name


def _is_misread(directory: Path) -> bool:
    """Return whether HTCondor misreads the name of something in the directory."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:  # it may not be there
        return any(_IN_CONTENTS.search(entry.name) for entry in entries)
    return False


def _tree(path: Path) -> Iterator[tuple[str, str]]:
    """Yield kind ("d" for a directory) and relative name of *path* and of everything below it, parents first."""
    if path.is_symlink() or not path.is_dir():
        yield "f", ""
        return
    yield "d", ""
    for place, directories, files in os.walk(path):
        relative = os.path.relpath(place, path)
        for name in sorted(directories):
            kind = "f" if (Path(place) / name).is_symlink() else "d"
            yield kind, os.path.normpath(os.path.join(relative, name))  # noqa: PTH118 - relative
        for name in sorted(files):
            yield "f", os.path.normpath(os.path.join(relative, name))  # noqa: PTH118 - relative


def _digest(words: list[str]) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:16]
