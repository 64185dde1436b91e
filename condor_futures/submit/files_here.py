"""The files of this machine in submit commands: the commands that name files, and the files that HTCondor would lose.

HTCondor's rules for names depend on whether the job is spooled. When a job is spooled, blanks end the names of input
files (FileTransfer::ExpandInputFileList), and a name in transfer_output_remaps that has a blank, "=" or ";" is ignored
without an error (rewriteSpooledJobAd in qmgmt.cpp, 25.14). `session.links` makes links for directories whose names
have such characters; `check_spoolable` refuses the names for which no link helps.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from condor_futures.submit.file_names import (
    MACRO,
    file_names,
    is_elsewhere,
    plain_name,
    remap_pairs,
    split_directory,
)

__all__ = ["CLIENT_FILES", "CLIENT_LISTS", "FILE_LISTS", "check_spoolable", "lost_output", "missing_file", "unlistable"]

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

_READ_HERE: Final = (
    CLIENT_LISTS - {"jar_files"}
) | CLIENT_FILES  # HTCondor reads these on the client when it spools the job
_BLANK: Final = re.compile(r"[ \t\v\f]")
#: What ends a name in the transfer_output_remaps of a spooled job.
_ENDS_TARGET: Final = re.compile(r"[ \t\v\f;=]")


def check_spoolable(commands: Mapping[str, str]) -> None:
    """Refuse names that HTCondor misreads if the job is spooled, and for which no link helps.

    Args:
        commands: commands that `description.merge` returned.

    Raises:
        ValueError: there is such a name.

    Example:
        >>> check_spoolable({"transfer_input_files": "/my data/a b.root"})
        >>> check_spoolable({"transfer_output_remaps": '"a = /data/b c.root"'})
        Traceback (most recent call last):
        ValueError: transfer_output_remaps cannot contain the new name '/data/b c.root' for a spooled job: ...

    """
    for file in file_names(commands.get("transfer_input_files", "")):
        directory, name = split_directory(file)
        unlinked = plain_name(directory) is None or (plain_name(name) is None and _BLANK.search(MACRO.sub("", name)))
        if _BLANK.search(MACRO.sub("", file)) and unlinked and not is_elsewhere(file):
            raise ValueError(
                f"transfer_input_files cannot contain the name {file!r} for a spooled job: HTCondor expands the macro "
                "in it, and reads blanks as separators; name the file without a macro, or without blanks"
            )
        if is_elsewhere(file) and _BLANK.search(MACRO.sub("", file)):
            raise ValueError(
                f"transfer_input_files cannot contain the name {file!r} for a spooled job, because HTCondor reads "
                "blanks as separators; write a blank in a URL as %20"
            )
    image = commands.get("container_image", "").strip()
    if not is_elsewhere(image) and _BLANK.search(split_directory(image.rstrip("/"))[1]):
        raise ValueError(
            f"container_image cannot be {image!r} for a spooled job, because HTCondor reads blanks as separators; "
            "use a link or a file without blanks in its name"
        )
    for _, target in remap_pairs(commands.get("transfer_output_remaps", "")) or ():
        directory, name = split_directory(target)
        rest = MACRO.sub("", target if is_elsewhere(target) or plain_name(directory) is None else name)
        if _ENDS_TARGET.search(rest):
            raise ValueError(
                f"transfer_output_remaps cannot contain the new name {target!r} for a spooled job: HTCondor ignores "
                "new names with blanks, ';' or '='; choose another name, or use spool=False"
            )


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
        for file in file_names(commands[name]) if name in FILE_LISTS else [commands[name].strip()]:
            path = plain_name(file)
            # CVMFS is mounted where the job runs, and images there are not transferred (CONTAINER_SHARED_FS).
            if not path or is_elsewhere(file) or path.startswith("/cvmfs/"):
                continue
            try:
                Path(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return name, path
            except OSError:
                pass  # the file may exist
    return None


def unlistable(commands: Mapping[str, str]) -> str | None:
    """Return a file that HTCondor cannot spool as part of the contents of a directory (a name with a slash at the end).

    HTCondor lists the contents when it spools a job. A name with a line break would be no line of its protocol.

    Example:
        >>> unlistable({"transfer_input_files": "/no/such/directory/"}) is None
        True

    """
    for file in file_names(commands.get("transfer_input_files", "")):
        path = plain_name(file)
        if path and file.endswith("/") and not is_elsewhere(file):
            with contextlib.suppress(OSError), os.scandir(path) as entries:  # a missing directory is another error
                for entry in entries:
                    if re.search(r"[\r\n]", entry.name):
                        return entry.path
    return None


def lost_output(commands: Mapping[str, str]) -> str | None:
    """Return the new name of an output file that is a link to nowhere: HTCondor 25.14 loses the file without an error.

    Example:
        >>> lost_output({"transfer_output_remaps": '"a = /no/link"'}) is None
        True

    """
    for _, target in remap_pairs(commands.get("transfer_output_remaps", "")) or ():
        path = plain_name(target)
        if path and not is_elsewhere(target) and Path(path).is_symlink() and not Path(path).exists():
            return path
    return None
