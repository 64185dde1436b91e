"""Files of this machine that submit commands name: which commands name some, and how; and which of them are missing."""

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

# Relative names in these are files of the client, named from where the user's program runs. HTCondor would
# look for them in `initialdir`, which is the session's batch directory.
CLIENT_LISTS: Final = frozenset({"transfer_input_files", "transfer_common_input", "public_input_files", "jar_files"})
CLIENT_FILES: Final = frozenset({"container_image", "scitokens_file", "x509userproxy"})
#: All commands that take a list of files: those of the client, and those of the job's sandbox.
FILE_LISTS: Final = CLIENT_LISTS | {
    "dont_encrypt_input_files",
    "dont_encrypt_output_files",
    "encrypt_input_files",
    "encrypt_output_files",
    "transfer_checkpoint_files",
    "transfer_output_files",
}

# A name in a list of files. The comma in $CHOICE(1,a,b) separates nothing: macros are expanded first.
_FILE_NAME: Final = re.compile(r"(?:\$\w*\([^)]*\)|[^,])+")
_NOT_A_LOCAL_PATH: Final = re.compile(r"[a-z][a-z0-9+.-]*://|docker:|\$", re.IGNORECASE)
_READ_HERE: Final = (CLIENT_LISTS - {"jar_files"}) | CLIENT_FILES  # when the job is spooled


def file_names(listed: str) -> list[str]:
    """The names in a list of files as condor_submit reads it, without empty ones and quotation marks around it all.

    Example:
        >>> file_names('"a.root, $CHOICE(0,b,c), , "')
        ['a.root', '$CHOICE(0,b,c)']

    """
    return [file.strip() for file in _FILE_NAME.findall(listed.strip().strip('"')) if file.strip()]


def is_one_name(text: str) -> bool:
    """Whether a list of files that consists of *text* has one name.

    Example:
        >>> is_one_name("$CHOICE(0,b,c)"), is_one_name("a,b"), is_one_name("")
        (True, False, False)

    """
    return _FILE_NAME.findall(text) == [text]


def is_elsewhere(file: str) -> bool:
    """Whether *file* is a URL, or an image, or begins with a macro, which HTCondor expands.

    Example:
        >>> is_elsewhere("docker://python:3.12"), is_elsewhere("$(here)/a"), is_elsewhere("a")
        (True, True, False)

    """
    return _NOT_A_LOCAL_PATH.match(file) is not None


def absolute(file: str) -> str:
    """Return a file of the client by absolute path; URLs, images and names that begin with a macro stay.

    Example:
        >>> absolute(" /data/ "), absolute("https://example.org/a")
        ('/data/', 'https://example.org/a')

    """
    file = file.strip()
    if not file or is_elsewhere(file):
        return file
    # A slash at the end means "the contents of this directory" and must survive.
    return f"{Path(file).absolute()}{'/' if file.endswith('/') else ''}"


def missing_file(commands: Mapping[str, str]) -> tuple[str, str] | None:
    """Find a file of the client's that is not there.

    Args:
        commands: what `description.merge` returned.

    Returns:
        The submit command and the file, or None.

    Example:
        >>> missing_file({"transfer_input_files": "https://example.org/a, /no/such/b"})
        ('transfer_input_files', '/no/such/b')

    """
    for name in sorted(_READ_HERE & commands.keys()):
        if name == "container_image" and commands.get("transfer_container", "").lower() in {"false", "no", "0", "f"}:
            continue
        for file in commands[name].split(",") if name in FILE_LISTS else [commands[name]]:
            path = file.strip()
            # CVMFS is where the job runs, and images there are not transferred (CONTAINER_SHARED_FS).
            if not path or "$" in path or is_elsewhere(path) or path.startswith("/cvmfs/"):
                continue
            try:
                Path(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return name, path
            except OSError:
                pass  # it may be there
    return None
