"""The files of an environment of Python, in an archive or a directory: which Python it has, and for which machines."""

from __future__ import annotations

import base64
import binascii
import bz2
import contextlib
import functools
import gzip
import io
import json
import lzma
import os
import posixpath
import re
import shutil
import stat
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NamedTuple

__all__ = ["Facts", "Kind", "UnreadableError", "archive_facts", "directory_facts", "kind_of"]

#: How the session makes its archive: a tar file and a script that unpacks itself are used as they are.
Kind = Literal["tar", "script", "zip", "pixi", "directory"]

#: The first bytes of compressed files.
_COMPRESSED: Final[Mapping[bytes, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: The script of `pixi-pack --create-executable` has these two lines; between them is a tar file in base64.
_PIXI_BEGIN, _PIXI_END = b"@@END_HEADER@@", b"@@END_ARCHIVE@@"
_HEAD: Final = 64 << 10
_AT_ONCE: Final = 1 << 20

_PYTHON: Final = re.compile(r"(?:[^/]+/)?bin/python(?:3(?:\.(\d+)t?)?)?")
_DEEPER: Final = re.compile(r"(.+)/bin/python3?")
_LIBRARY: Final = re.compile(r"(?:[^/]+/)?lib/python(3\.\d+)t?/")
_CONDA_PYTHON: Final = re.compile(r"(?:[^/]+/)?conda-meta/python-(3\.\d+)\.[^/]*\.json")
_PIXI_PYTHON: Final = re.compile(r"channel/([^/]+)/python-(3\.\d+)\.[^/]*\.(?:conda|tar\.bz2)")
_WINDOWS: Final = re.compile(r"(?:[^/]+/)?(?:Scripts/)?python\.exe")

#: What conda calls a platform, and what platform.system() and platform.machine() call it.
_PLATFORMS: Final = {
    "linux-64": ("Linux", "x86_64"),
    "linux-aarch64": ("Linux", "aarch64"),
    "linux-ppc64le": ("Linux", "ppc64le"),
    "linux-riscv64": ("Linux", "riscv64"),
}
#: The processor of an ELF file, by its number.
_PROCESSORS: Final = {0x3E: "x86_64", 0xB7: "aarch64", 0x15: "ppc64le", 0xF3: "riscv64"}
_MACOS: Final = {b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"}

_DAMAGED: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    binascii.Error,
)


class Member(NamedTuple):
    """A file, a link or a directory of an environment."""

    name: str
    is_file: bool
    read: Callable[[int], bytes]


@dataclass
class Facts:
    """What the files of an environment tell.

    Attributes:
        system: the operating system, as in platform.system(); empty if that is unknown.
        machine: the processor, as in platform.machine(); empty if that is unknown.
        version: the minor version of its Python; empty if that is unknown.
        has_python: there is a Python where jobs look for it.
        deeper: a directory that has a Python, but where jobs do not look for it.
        broken_link: the target of the link that is its Python, if there is no such file.
        needs_pixi_unpack: it consists of conda's packages, which pixi-unpack installs.
        is_conda: it is a conda environment.
        can_be_moved: it has conda's own program that adapts the files to another place.

    """

    system: str = ""
    machine: str = ""
    version: str = ""
    has_python: bool = False
    deeper: str = ""
    broken_link: str = ""
    needs_pixi_unpack: bool = False
    is_conda: bool = False
    can_be_moved: bool = False

    def learn(self, member: Member) -> None:
        """Take in what *member* tells."""
        name = member.name
        if found := _PYTHON.fullmatch(name):
            self.has_python = True
            if member.is_file:
                self._learn_platform(member.read(20))
                if found[1]:
                    self.version = f"3.{found[1]}"
        elif found := _LIBRARY.match(name):
            self.version = self.version or found[1]
        elif found := _CONDA_PYTHON.fullmatch(name):
            self.version = found[1]
            with contextlib.suppress(ValueError, AttributeError):
                self._use_platform(str(json.loads(member.read(16 << 20)).get("subdir", "")))
        elif found := _PIXI_PYTHON.fullmatch(name):
            self.needs_pixi_unpack = self.has_python = True
            self.version = found[2]
            self._use_platform(found[1])
        elif name == "pixi-pack.json":
            self.needs_pixi_unpack = True
            with contextlib.suppress(ValueError, AttributeError):
                self._use_platform(str(json.loads(member.read(1 << 20)).get("platform", "")))
        elif _WINDOWS.fullmatch(name):
            self.system = "Windows"
        elif found := _DEEPER.fullmatch(name):
            self.deeper = self.deeper or found[1]
        self.is_conda = self.is_conda or name.startswith("conda-meta/")
        self.can_be_moved = self.can_be_moved or name == "bin/conda-unpack"

    @property
    def complete(self) -> bool:
        """Whether further members tell nothing that matters."""
        return bool(self.system == "Windows" or (self.has_python and self.version and self.system))

    def _learn_platform(self, start: bytes) -> None:
        if start[:4] in _MACOS:
            self.system = "macOS"
        elif start[:4] == b"\x7fELF":
            order = "<" if start[5:6] == b"\1" else ">"
            self.system, self.machine = "Linux", _PROCESSORS.get(struct.unpack(f"{order}H", start[18:20])[0], "")

    def _use_platform(self, name: str) -> None:
        """Use conda's *name* of a platform; packages for all platforms have no part in this."""
        if name.startswith("osx"):
            self.system = "macOS"
        elif name.startswith("win"):
            self.system = "Windows"
        elif name in _PLATFORMS:
            self.system, self.machine = _PLATFORMS[name]


def kind_of(source: Path) -> Kind | None:
    """Return what kind of archive *source* is; None if jobs cannot unpack it.

    Raises:
        OSError: it cannot be read.

    """
    with source.open("rb") as file:
        start = file.read(_HEAD)
    if start.startswith(b"PK\x03\x04"):
        return "zip"
    if start.startswith(b"#!"):
        return "script" if _PIXI_BEGIN in start else None
    is_tar = start.startswith((*_COMPRESSED, _ZSTD)) or start[257:262] == b"ustar"
    return "tar" if is_tar else None


def archive_facts(source: Path, kind: Kind) -> Facts:
    """Return the facts of an archive.

    Raises:
        OSError: the file cannot be read.
        UnreadableError: it is damaged, or cannot be decompressed here.

    """
    facts = Facts()
    members = _members_of_zip(source) if kind == "zip" else _members_of_tar(source, kind)
    try:
        for member in members:
            facts.learn(member)
            if facts.complete:
                break
    except _DAMAGED as error:
        raise UnreadableError(f"it is damaged ({error})") from error
    return facts


def directory_facts(source: Path) -> tuple[Facts, list[str]]:
    """Return the facts of a directory, and the names and states of all its files, which change with the files.

    Raises:
        OSError: the directory cannot be read.

    """
    facts, listing = Facts(), []
    for path, name in _walk(str(source)):
        about = os.lstat(path)
        listing.append(f"{name} {about.st_mode} {about.st_size} {about.st_mtime_ns}")
        facts.learn(Member(name, stat.S_ISREG(about.st_mode), functools.partial(_start, path)))
    pythons = [source / "bin" / name for name in ("python3", "python")]
    dead = [path for path in pythons if path.is_symlink() and not path.exists()]
    if dead and not any(path.exists() for path in pythons):
        facts.broken_link = os.path.realpath(dead[0])
    return facts, listing


class UnreadableError(Exception):
    """An archive cannot be read here; the text is the reason."""


def _start(path: str, size: int) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - there may be a hundred thousand files
        return file.read(size)


def _walk(directory: str) -> Iterator[tuple[str, str]]:
    """Yield path and relative name of everything below *directory*, in an order that does not change."""
    for place, directories, files in os.walk(directory):
        directories.sort()
        inner = place[len(directory) :].lstrip("/")
        for name in sorted([*files, *directories]):
            yield f"{place}/{name}", f"{inner}/{name}" if inner else name


def _members_of_zip(source: Path) -> Iterator[Member]:
    with zipfile.ZipFile(source) as archive:
        for one in archive.infolist():
            kind = one.external_attr >> 16

            def read(size: int, name: str = one.filename) -> bytes:
                with archive.open(name) as file:
                    return file.read(size)

            yield Member(posixpath.normpath(one.filename), not stat.S_ISLNK(kind) and not one.is_dir(), read)


def _members_of_tar(source: Path, kind: Kind) -> Iterator[Member]:
    with _opened(source, kind) as file, tarfile.open(fileobj=file, mode="r|") as archive:
        for one in archive:

            def read(size: int, one: tarfile.TarInfo = one) -> bytes:
                content = archive.extractfile(one)
                return content.read(size) if content is not None else b""

            name = posixpath.normpath(one.name) + ("/" if one.isdir() else "")
            yield Member(name, one.isreg(), read)


@contextlib.contextmanager
def _opened(source: Path, kind: Kind) -> Iterator[io.BufferedIOBase]:
    with source.open("rb") as file:
        if kind == "script":
            yield io.BufferedReader(_Base64(_lines_between(file)))
            return
        start = file.read(8)
        file.seek(0)
        unpack = next((unpack for mark, unpack in _COMPRESSED.items() if start.startswith(mark)), None)
        if unpack is not None:
            with unpack(file) as content:
                yield content
        elif start.startswith(_ZSTD):
            program = shutil.which("zstd")
            if program is None:
                raise UnreadableError("it is compressed with zstd, which is not on PATH here")
            command = [program, "-dcq", str(source)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                try:
                    yield process.stdout  # type: ignore[misc]
                finally:
                    process.kill()
        else:
            yield file


def _lines_between(file: BinaryIO) -> Iterator[bytes]:
    """Yield the archive in a script of pixi-pack, which is one line or many, in parts that can be decoded."""
    for line in file:
        if line.startswith(_PIXI_BEGIN):
            break
    while (part := file.readline(_AT_ONCE)) and not part.startswith(_PIXI_END):
        yield part.strip()


class _Base64(io.RawIOBase):
    """A file whose contents are *lines* of base64."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            line = next(self._lines, None)
            if line is None:
                return 0
            self._rest = base64.b64decode(line)
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
