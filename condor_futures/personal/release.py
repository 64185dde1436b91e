"""An HTCondor release on this machine: finding it, and the paths of its programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from condor_futures.errors import PersonalPoolError
from condor_futures.personal.identity import base_directory

__all__ = ["HTCondorRelease", "find_htcondor", "installed_releases_directory"]

Source = Literal["PATH", "installed"]

# The directories, relative to the prefix, that packagers use for the libexec and lib of `make install`; a file that is
# always present tells which one it is.
_LIBEXEC_LAYOUTS = ("libexec/condor", "libexec", "lib/condor/libexec", "lib64/condor/libexec")
_LIB_LAYOUTS = ("lib/condor", "lib64/condor", "lib64", "lib")


@dataclass(frozen=True, slots=True)
class HTCondorRelease:
    """One HTCondor, as found on this machine.

    >>> from condor_futures.personal import find_htcondor
    >>> release = find_htcondor()
    >>> print(release.version, release.tool("condor_q").name)
    25.14.1 condor_q

    Attributes:
        prefix: the directory that HTCondor calls ``RELEASE_DIR``; the other directories are below it.
        version: as in ``25.14.1``.
        source: ``"PATH"``, or ``"installed"`` when :func:`condor_futures.personal.install` made it.

    """

    prefix: Path
    bin: Path
    sbin: Path
    libexec: Path
    lib: Path
    version: str
    source: Source

    @classmethod
    def at(cls, prefix: Path, *, source: Source, sbin: Path | None = None) -> HTCondorRelease:
        """Return the release whose programs are below ``prefix``.

        Raises:
            PersonalPoolError: there is no working HTCondor with its daemons.

        """
        sbin = sbin or prefix / "sbin"
        libexec = _first(prefix, _LIBEXEC_LAYOUTS, "condor_shared_port")
        lib = _first(prefix, _LIB_LAYOUTS, "")
        version = _version(prefix / "bin" / "condor_version")
        return cls(prefix, prefix / "bin", sbin, libexec, lib, version, source)

    def tool(self, name: str) -> Path:
        """Return the path of one of the release's programs, such as ``condor_q`` or ``condor_master``.

        Raises:
            PersonalPoolError: the release has no such program.

        """
        for directory in (self.bin, self.sbin, self.libexec):
            if os.access(path := directory / name, os.X_OK):
                return path
        raise PersonalPoolError(
            f"HTCondor {self.version} in {self.prefix} has no program {name}; it may be a client-only installation."
        )

    def search_path(self, path: str = "") -> str:
        """Return ``path``, a value of ``PATH``, with the directories of the release's programs in front."""
        directories = [str(self.bin), str(self.sbin), *path.split(os.pathsep)]
        return os.pathsep.join(dict.fromkeys(filter(None, directories)))


def find_htcondor(environment: Mapping[str, str] = os.environ) -> HTCondorRelease | None:
    """Return the HTCondor that a personal pool can run.

    This is the release on ``PATH``, else the newest installed release, else ``None``. ``PATH`` needs only the tools,
    not ``sbin``, as is usual for ordinary users: ``condor_master`` is searched in the ``sbin`` beside them. Client-only
    installations, and releases that do not run, are ignored.

    Args:
        environment: the environment with ``PATH`` and ``XDG_DATA_HOME``.

    """
    path = environment.get("PATH", os.defpath)
    for name in ("condor_master", "condor_q"):
        if tool := shutil.which(name, path=path):
            prefix = Path(tool).absolute().parent.parent
            for sbin in (Path(tool).absolute().parent, prefix / "sbin"):
                if os.access(sbin / "condor_master", os.X_OK) and (found := _try(prefix, "PATH", sbin)):
                    return found
    # An interrupted install leaves only names that begin with a dot, so every version directory is complete.
    versions = installed_releases_directory(environment).glob("[0-9]*")
    for directory in sorted(versions, key=lambda path: _version_key(path.name), reverse=True):
        if found := _try(directory / "usr", "installed"):
            return found
    return None


def installed_releases_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory below which ``install`` puts one directory per version.

    It is ``$XDG_DATA_HOME/condor_futures/htcondor``. ``XDG_DATA_HOME`` is ``~/.local/share`` by default; for root it is
    ``/var/lib`` if user namespaces are not allowed.
    """
    return base_directory("XDG_DATA_HOME", ".local/share", environment) / "condor_futures" / "htcondor"


def _try(prefix: Path, source: Source, sbin: Path | None = None) -> HTCondorRelease | None:
    try:
        return HTCondorRelease.at(prefix, source=source, sbin=sbin)
    except PersonalPoolError:
        return None


def _first(prefix: Path, layouts: tuple[str, ...], content: str) -> Path:
    for layout in layouts:
        if (prefix / layout / content).exists():
            return prefix / layout
    return prefix / layouts[0]


def _version(program: Path) -> str:
    # ONLY_ENV: no configuration file is read, so that a broken one on the machine has no effect.
    environment = {**os.environ, "CONDOR_CONFIG": "ONLY_ENV"}
    try:
        answer = subprocess.run(
            [program], env=environment, capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise PersonalPoolError(f"{program} does not run: {error}.") from error
    if match := re.search(r"\$CondorVersion: (\d+\.\d+\.\d+)", answer):
        return match[1]
    raise PersonalPoolError(f"{program} does not print its version: {answer!r}.")


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
