"""An ordinary user of this machine, to test what root's daemons do for other users."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


class User:
    """An account that nobody uses, with a home directory and the files that a client imports."""

    def __init__(self, directory: Path) -> None:
        self.account = _an_account()
        self.name = self.account.pw_name
        self.home = directory / "home"
        self._library = directory / "library"
        self.python = _a_python_for(self.account)
        self.home.mkdir(parents=True)
        os.chown(self.home, self.account.pw_uid, self.account.pw_gid)
        _copy_packages(self._library)

    def run(self, text: str, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python code as this user, with only this environment."""
        return subprocess.run(
            [self.python, "-c", textwrap.dedent(text), *arguments],
            user=self.account.pw_uid,
            group=self.account.pw_gid,
            extra_groups=[],
            cwd=self.home,
            env={"HOME": str(self.home), "PYTHONPATH": str(self._library), **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


def _an_account():
    """Return an account that every Debian has."""
    for name in ("games", "www-data", "mail"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return pytest.skip("no account of another user on this machine")


def _a_python_for(account):
    """Return an interpreter of this version that the account can run. Root's own may be below /root."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([candidate, "-c", ""], user=account.pw_uid, group=account.pw_gid, cwd="/", check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return pytest.skip(f"no {version} on this machine that another user can run")


def _copy_packages(library: Path) -> None:
    import classad2
    import cloudpickle
    import htcondor2
    import platformdirs

    import condor_futures

    for module in (classad2, cloudpickle, htcondor2, platformdirs, condor_futures):
        source = Path(module.__file__).parent
        shutil.copytree(source, library / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    for libraries in Path(htcondor2.__file__).parent.parent.glob("htcondor*.libs"):
        shutil.copytree(libraries, library / libraries.name)
