"""Puts the user's Python environments into a session, as archives with names that HTCondor can read.

An archive of the user's stays where it is: the session has a link to it. A directory is packed, once for each version
of its files. Scripts in its ``bin`` that name it in their first lines get names that do not depend on the place.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import stat
import tarfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from condor_futures.errors import CondorFuturesError

if TYPE_CHECKING:
    from condor_futures.options.python_environment import PythonEnvironment
    from condor_futures.session.session import Session

__all__ = ["store_environment"]

#: Programs of pip are shorter. What is larger is no script.
_LONGEST_SCRIPT: Final = 1 << 20


def store_environment(session: Session, environment: PythonEnvironment | None) -> None:
    """Let jobs of *session* find the archive of *environment*.

    Raises:
        CondorFuturesError: it cannot be read or written.

    """
    if environment is None:
        return
    path, source = session.environments / environment.name, environment.source
    if os.path.lexists(path):
        return
    try:
        session.environments_directory()
        if environment.kind in ("tar", "script") and session.record.owner is None:
            with contextlib.suppress(FileExistsError):  # another thread was faster
                path.symlink_to(source)
            return
        with session.create_file(path, temporary=session.directory / f"{secrets.token_hex(8)}.new") as file:
            match environment.kind:
                case "directory":
                    _pack_directory(source, file)
                case "zip":
                    _pack_zip(source, file)
                case "pixi":
                    _pack_with_pixi_unpack(source, file)
                case _:  # the owner of the jobs may not be able to read the user's file
                    with source.open("rb") as archive:
                        shutil.copyfileobj(archive, file, 1 << 20)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or error
        raise CondorFuturesError(
            f"the environment {str(source)!r} in python_environment cannot be packed into {path}: {why}"
        ) from error


def _pack_directory(source: Path, file: BinaryIO) -> None:
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as archive:
        for place, directories, files in os.walk(source):
            directories.sort()
            for name in sorted([*files, *directories]):
                path = Path(place) / name
                info = archive.gettarinfo(path, path.relative_to(source).as_posix())
                if info is None:  # a socket
                    continue
                if info.issym() and info.linkname.startswith(f"{source}/"):
                    info.linkname = os.path.relpath(info.linkname, place)
                content = _without_place(path, source) if info.isreg() and place == str(source / "bin") else None
                if content is not None:
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
                elif info.isreg():
                    with path.open("rb") as data:
                        archive.addfile(info, data)
                else:
                    archive.addfile(info)


def _without_place(path: Path, source: Path) -> bytes | None:
    r"""Return the script *path* with an interpreter that is found on PATH; None for any other file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     script = Path(place) / "run"
    ...     _ = script.write_text("#!/home/ada/env/bin/python3\nprint(1)")
    ...     _without_place(script, Path("/home/ada/env"))
    b'#!/usr/bin/env python3\nprint(1)'
    """
    with path.open("rb") as file:
        if file.read(2) != b"#!" or path.stat().st_size > _LONGEST_SCRIPT:
            return None
        file.seek(0)
        content = file.read()
    here = os.fsencode(source / "bin") + b"/"
    first, *rest = content.split(b"\n", 2)
    # pip and uv write the second line where the first would be too long for the kernel.
    rest[:1] = [second.replace(here, b"") for second in rest[:1]]
    return b"\n".join([first.replace(b"#!" + here, b"#!/usr/bin/env "), *rest])


def _pack_zip(source: Path, file: BinaryIO) -> None:
    """Pack the files of a zip file as a tar file: Python's module for zip files restores neither modes nor links."""
    with zipfile.ZipFile(source) as archive, tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as packed:
        for one in archive.infolist():
            mode = one.external_attr >> 16
            info = tarfile.TarInfo(one.filename.rstrip("/"))
            info.mtime = int(time.mktime((*one.date_time, 0, 0, -1)))
            info.mode = stat.S_IMODE(mode) or (0o755 if one.is_dir() else 0o644)
            if one.is_dir():
                info.type = tarfile.DIRTYPE
                packed.addfile(info)
            elif stat.S_ISLNK(mode):
                info.type, info.linkname = tarfile.SYMTYPE, os.fsdecode(archive.read(one))
                packed.addfile(info)
            else:
                info.size = one.file_size
                with archive.open(one) as data:
                    packed.addfile(info, data)


def _pack_with_pixi_unpack(source: Path, file: BinaryIO) -> None:
    """Pack an archive of pixi-pack with the program that installs it; its packages are compressed."""
    program = shutil.which("pixi-unpack")
    if program is None:
        raise FileNotFoundError("pixi-unpack is not on PATH")
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.add(os.path.realpath(program), "pixi-unpack")
        archive.add(os.path.realpath(source), "environment.tar")
