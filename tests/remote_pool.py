"""A pool that is remote in all respects that matter here: other files, another configuration, tokens over a network."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Pool

from condor_futures.personal import HTCondorRelease, PersonalPool
from condor_futures.personal.identity import Identity

NAME = "ap1@remote.example"

#: Settings of a site's administrator that admit users of other machines by a token.
_SITE = {
    "SCHEDD_NAME": NAME,
    "TRUST_DOMAIN": "remote.example",
    "SEC_DEFAULT_AUTHENTICATION_METHODS": "FS, IDTOKENS",
    "SEC_PASSWORD_DIRECTORY": "$(LOCAL_DIR)/keys",
    "SEC_TOKEN_POOL_SIGNING_KEY_FILE": "$(LOCAL_DIR)/keys/POOL",
    "SEC_TOKEN_SYSTEM_DIRECTORY": "$(LOCAL_DIR)/tokens",
    # The master waits this many seconds before it restarts a daemon.
    "MASTER_BACKOFF_CONSTANT": "1",
    "MASTER_BACKOFF_CEILING": "2",
    # The collector soon replaces the old ad of a killed schedd.
    "SCHEDD_INTERVAL": "1",
}


class RemotePool(Pool):
    """The daemons of the pool, and the files of a client on another machine."""

    def __init__(self, personal: PersonalPool, directory: Path) -> None:
        super().__init__(personal)
        self.directory = directory
        self.schedd = NAME
        address = (personal.directory / "log/.collector_address").read_text()
        found = re.match(r"<([\d.]+:\d+)", address)
        assert found
        self.collector = found[1]

    @property
    def access_point(self) -> tuple[str, str]:
        """The ``access_point`` argument of the executor."""
        return self.collector, self.schedd

    def client_environment(self) -> dict[str, str]:
        """Make a client without any configuration of this pool, but with a token for it."""
        tokens = self.directory / "tokens"
        if not tokens.exists():
            tokens.mkdir(mode=0o700)
            identity = f"{Identity.choose().user}@personal"
            token = tokens / "remote.example"
            token.write_text(self.run("condor_token_create", "-identity", identity))
            token.chmod(0o600)
        return {
            "CONDOR_CONFIG": "ONLY_ENV",
            "_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": "IDTOKENS",
            "_CONDOR_SEC_TOKEN_DIRECTORY": str(tokens),
            "XDG_STATE_HOME": str(self.directory / "state"),
        }


@contextlib.contextmanager
def remote_pool(release: HTCondorRelease, *, hidden: bool, **config: str) -> Iterator[RemotePool]:
    """Start a second pool. With *hidden*, its daemons and jobs see an empty directory where the client keeps its
    sessions.
    """
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-remote-"))
    sessions = directory / "state"
    sessions.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        if hidden:
            _hide(sessions, patch)
        personal = PersonalPool(directory / "pool", slots=8, release=release, config=_SITE | config)
        try:
            personal.start()
            yield RemotePool(personal, directory)
        finally:
            personal.stop()
            shutil.rmtree(directory)


@contextlib.contextmanager
def client_of(remote: RemotePool) -> Iterator[None]:
    """Act as a client on another machine while the context lasts."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_CONDOR_COLLECTOR_HOST", "CONDOR_HOST"):
            patch.delenv(name, raising=False)
        for name, value in remote.client_environment().items():
            patch.setenv(name, value)
        yield


def _hide(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Make a pool start in a mount namespace of its own, in which *directory* is empty."""
    # A user who is not root may mount only in a user namespace, with rights that the daemons must not have.
    user = ["--user", "--map-current-user", "--keep-caps"] if os.geteuid() else []
    shed = ["setpriv", "--ambient-caps=-all", "--inh-caps=-all"] if user else []
    mount = ["unshare", *user, "--mount", "--propagation", "private"]
    attempt = subprocess.run([*mount, "mount", "-t", "tmpfs", "none", directory], capture_output=True, check=False)
    if attempt.returncode != 0:
        pytest.skip("mount namespaces are not allowed on this machine")
    script = 'mount -t tmpfs none "$0" && exec "$@"'
    choose = Identity.choose

    def elsewhere(*args: object) -> Identity:
        identity = choose(*args)
        return dataclasses.replace(
            identity, command=(*mount, "sh", "-c", script, str(directory), *shed, *identity.command)
        )

    patch.setattr(Identity, "choose", elsewhere)
