"""The files of this machine in submit commands: the commands that name files, and the missing files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = [
    "CLIENT_FILES",
    "CLIENT_LISTS",
    "FILE_LISTS",
    "absolute",
    "file_names",
    "is_elsewhere",
    "is_one_name",
    "missing_file",
]

# Relative names in these commands are files of the client, relative to the current directory of the user's program.
# HTCondor would look for them in `initialdir`, which is a directory of the session.
CLIENT_LISTS: Final = frozenset({"transfer_input_files", "transfer_common_input", "public_input_files", "jar_files"})
CLIENT_FILES: Final = frozenset({"container_image", "scitokens_file", "x509userproxy"})
#: All commands that take a list of files: files of the client, or files of the job's sandbox.
FILE_LISTS: Final = CLIENT_LISTS | {
    "dont_encrypt_input_files",
    "dont_encrypt_output_files",
    "encrypt_input_files",
    "encrypt_output_files",
    "transfer_checkpoint_files",
    "transfer_output_files",
}

# A name in a list of files. The commas in $CHOICE(1,a,b) do not separate names, because macros are expanded first.
_FILE_NAME: Final = re.compile(r"(?:\$\w*\([^)]*\)|[^,])+")
_NOT_A_LOCAL_PATH: Final = re.compile(r"[a-z][a-z0-9+.-]*://|docker:|\$", re.IGNORECASE)
_READ_HERE: Final = (
    CLIENT_LISTS - {"jar_files"}
) | CLIENT_FILES  # HTCondor reads these on the client when it spools the job


def file_names(listed: str) -> list[str]:
    """Return the names in a list of files as condor_submit reads it, without empty names and outer quotation marks.

    Example:
        >>> file_names('"a.root, $CHOICE(0,b,c), , "')
        ['a.root', '$CHOICE(0,b,c)']

    """
    return [file.strip() for file in _FILE_NAME.findall(listed.strip().strip('"')) if file.strip()]


def is_one_name(text: str) -> bool:
    """Return whether *text*, read as a list of files, has exactly one name.

    Example:
        >>> is_one_name("$CHOICE(0,b,c)"), is_one_name("a,b"), is_one_name("")
        (True, False, False)

    """
    return _FILE_NAME.findall(text) == [text]


def is_elsewhere(file: str) -> bool:
    """Return whether *file* is a URL or an image, or begins with a macro, which HTCondor expands.

    Example:
        >>> is_elsewhere("docker://python:3.12"), is_elsewhere("$(here)/a"), is_elsewhere("a")
        (True, True, False)

    """
    return _NOT_A_LOCAL_PATH.match(file) is not None


def absolute(file: str) -> str:
    """Return the absolute path of a file of the client; URLs, images and names that begin with a macro stay unchanged.

    Example:
        >>> absolute(" /data/ "), absolute("https://example.org/a")
        ('/data/', 'https://example.org/a')

    """
    file = file.strip()
    if not file or is_elsewhere(file):
        return file
    # A slash at the end means "the contents of this directory", so it must stay.
    return f"{Path(file).absolute()}{'/' if file.endswith('/') else ''}"


def missing_file(commands: Mapping[str, str]) -> tuple[str, str] | None:
    """Find a missing file of the client.

    Args:
        commands: commands that `description.merge` returned.

    Returns:
        The submit command and the file; None if no file is missing.

    Example:
        >>> missing_file({"transfer_input_files": "https://example.org/a, /no/such/b"})
        ('transfer_input_files', '/no/such/b')

    """
    for name in sorted(_READ_HERE & commands.keys()):
        if name == "container_image" and commands.get("transfer_container", "").lower() in {"false", "no", "0", "f"}:
            continue
        for file in commands[name].split(",") if name in FILE_LISTS else [commands[name]]:
            path = file.strip()
            # CVMFS is mounted where the job runs, and images there are not transferred (CONTAINER_SHARED_FS).
            if not path or "$" in path or is_elsewhere(path) or path.startswith("/cvmfs/"):
                continue
            try:
                Path(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return name, path
            except OSError:
                pass  # the file may exist
    return None
