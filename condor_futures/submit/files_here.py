"""Files that submit commands name and that have to be on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from condor_futures.submit.values import _CLIENT_FILES, _CLIENT_LISTS, _FILE_LISTS, _NOT_A_LOCAL_PATH

__all__ = ["missing_file"]


_READ_HERE: Final = (_CLIENT_LISTS - {"jar_files"}) | _CLIENT_FILES  # when the job is spooled


def missing_file(commands: Mapping[str, str]) -> tuple[str, str] | None:
    """Find a file of the client's that is not there.

    Args:
        commands: what `submit_description.merge` returned.

    Returns:
        The submit command and the file, or None.

    Example:
        >>> missing_file({"transfer_input_files": "https://example.org/a, /no/such/b"})
        ('transfer_input_files', '/no/such/b')

    """
    for name in sorted(_READ_HERE & commands.keys()):
        if name == "container_image" and commands.get("transfer_container", "").lower() in {"false", "no", "0", "f"}:
            continue
        for file in commands[name].split(",") if name in _FILE_LISTS else [commands[name]]:
            path = file.strip()
            # CVMFS is where the job runs, and images there are not transferred (CONTAINER_SHARED_FS).
            if not path or "$" in path or _NOT_A_LOCAL_PATH.match(path) or path.startswith("/cvmfs/"):
                continue
            try:
                Path(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return name, path
            except OSError:
                pass  # it may be there
    return None
