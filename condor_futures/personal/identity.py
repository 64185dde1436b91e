"""The account that the daemons run as: the user, or, for root, the account that root's daemons become."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from condor_futures.errors import PersonalPoolError

__all__ = ["Identity", "RootMode", "base_directory"]

RootMode = Literal["auto", "user_namespace", "condor_ids"]

# ``daemon`` on Debian, ``bin`` on Red Hat: an account of every Linux that nobody logs in to. HTCondor runs neither its
# daemons nor jobs as root.
_UNPRIVILEGED = 1
_UNSHARE = ("unshare", "--user", f"--map-user={_UNPRIVILEGED}", f"--map-group={_UNPRIVILEGED}")


@dataclass(frozen=True, slots=True)
class Identity:
    """How to start ``condor_master``, and the account that the daemons then see as the pool's user.

    Attributes:
        user: the account name of the pool's user, as the daemons see it.
        command: the command to put in front of ``condor_master``.
        condor_ids: ``CONDOR_IDS`` for the pool's configuration, or ``None``.
        owner: the uid that must own the daemons' directories, or ``None`` when that is the user anyway.

    """

    user: str
    command: tuple[str, ...] = ()
    condor_ids: str | None = None
    owner: int | None = None

    @classmethod
    def choose(cls, root_mode: RootMode = "auto") -> Identity:
        """Return the identity for the calling user; ``root_mode`` has an effect only for root.

        Raises:
            PersonalPoolError: this machine does not support the requested mode.

        """
        if os.geteuid() != 0:
            return cls(_account(os.geteuid()))
        if root_mode == "condor_ids" or (root_mode == "auto" and not _user_namespaces_work()):
            # Root's clients become CONDOR_IDS when they authenticate, so they too are the unprivileged account.
            ids = f"{_UNPRIVILEGED}.{_UNPRIVILEGED}"
            return cls(_account(_UNPRIVILEGED), condor_ids=ids, owner=_UNPRIVILEGED)
        if not _user_namespaces_work():
            raise PersonalPoolError(
                "User namespaces are not allowed on this machine; start the pool with root_mode='condor_ids'."
            )
        # In the namespace the daemons see uid 1 where the kernel sees root: jobs can read what root owns. A client of
        # root's, outside, becomes CONDOR_IDS to authenticate; it must stay root to be seen as uid 1 inside (with 1.1 it
        # is seen as "nobody", as every other user of the machine is, and nobody may not be let in).
        return cls(_account(_UNPRIVILEGED), command=_UNSHARE, condor_ids="0.0")

    def check_reachable(self, directory: Path) -> None:
        """Check that daemons and jobs of another account can enter *directory*.

        Raises:
            PersonalPoolError: they cannot; the message names the directory on the path that they cannot enter.

        """
        if self.owner is None:
            return
        for entered in (*reversed(directory.parents), directory):
            if not entered.stat().st_mode & stat.S_IXOTH:
                raise PersonalPoolError(
                    f"The pool's daemons and jobs run as {self.user}, who cannot enter {entered} on the path to "
                    f"{directory}; use a directory that everybody can enter, such as one below /var/tmp."
                )


def base_directory(variable: str, default: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the base directory of the XDG specification that ``variable`` names; by default ``~/default``.

    If root's daemons become another account, which cannot enter root's home, the default is ``/var/lib``.
    """
    if value := environment.get(variable):
        return Path(value)
    if os.geteuid() == 0 and not _user_namespaces_work():
        return Path("/var/lib")
    return Path.home() / default


@functools.cache
def _user_namespaces_work() -> bool:
    """Return whether root may make a user namespace; container runtimes and kernels can forbid it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise PersonalPoolError(
            f"HTCondor needs an account name for the user id {uid}, which has none on this machine; add one to "
            "/etc/passwd."
        ) from None
