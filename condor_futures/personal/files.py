"""The names of everything in a pool's directory, and what is kept there about the pool."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from condor_futures.personal.identity import Identity, base_directory
from condor_futures.personal.processes import Process
from condor_futures.personal.release import HTCondorRelease

__all__ = ["PoolFiles", "PoolRecord", "default_pool_directory"]


def default_pool_directory() -> Path:
    """The directory of the user's own pool: ``$XDG_STATE_HOME/condor_futures/pools/personal``.

    ``XDG_STATE_HOME`` is ``~/.local/state`` by default; ``/var/lib`` instead for root where user namespaces are not
    allowed, as in many containers.
    """
    return base_directory("XDG_STATE_HOME", ".local/state") / "condor_futures" / "pools" / "personal"


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """Which process is, or was, the pool's ``condor_master``, and which HTCondor it is of."""

    master: Process
    release: HTCondorRelease

    def to_json(self) -> str:
        """The record as text."""
        return json.dumps(asdict(self), default=str, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PoolRecord:
        """The record that :meth:`to_json` wrote.

        Raises:
            ValueError: it did not write that.

        """
        try:
            fields = json.loads(text)
            release = fields["release"]
            paths = {name: Path(release[name]) for name in ("prefix", "bin", "sbin", "libexec", "lib")}
            return cls(Process(**fields["master"]), HTCondorRelease(**{**release, **paths}))
        except (TypeError, KeyError) as error:
            raise ValueError(f"not the record of a pool: {error!r}") from error


@dataclass(frozen=True, slots=True)
class PoolFiles:
    """The files of the pool in ``directory``."""

    directory: Path

    @property
    def config(self) -> Path:
        """HTCondor's configuration."""
        return self.directory / "condor_config"

    @property
    def log(self) -> Path:
        """The directory of the daemons' logs and address files."""
        return self.directory / "log"

    @property
    def users_lock(self) -> Path:
        """Each process that uses the pool holds a share."""
        return self.directory / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Whoever starts, stops, joins or leaves the pool holds it alone meanwhile."""
        return self.directory / "start.lock"

    @property
    def persistent(self) -> Path:
        """Exists when the pool goes on without users."""
        return self.directory / "persistent"

    @property
    def temporary(self) -> Path:
        """Exists when the directory is removed with the pool."""
        return self.directory / "temporary"

    @property
    def _record(self) -> Path:
        return self.directory / "pool.json"

    def read_record(self) -> PoolRecord | None:
        """What is on record; ``None`` when there is nothing, or nothing readable."""
        try:
            return PoolRecord.from_json(self._record.read_text())
        except (OSError, ValueError):
            return None

    def write_record(self, record: PoolRecord) -> None:
        """Put it on record; a reader sees the old one or the new one, never half of one."""
        new = self._record.with_suffix(".new")
        new.write_text(record.to_json())
        new.rename(self._record)

    def master(self) -> Process | None:
        """The pool's ``condor_master``, if it is alive."""
        record = self.read_record()
        return record.master if record and record.master.is_alive else None

    def make(self, identity: Identity) -> None:
        """Make the directories that the daemons need, for them and for their jobs alone."""
        # Jobs of another account than the daemons' must reach EXECUTE and SPOOL.
        open_mode = 0o700 if identity.owner is None else 0o755
        modes = dict.fromkeys(("log", "spool", "execute", "lock", "run", "etc"), open_mode)
        for name, mode in {**modes, "etc/passwords.d": 0o700, "etc/tokens.d": 0o700}.items():
            path = self.directory / name
            path.mkdir(exist_ok=True)
            path.chmod(mode)
            if identity.owner is not None:
                os.chown(path, identity.owner, identity.owner)

    def forget(self) -> None:
        """Remove what says that a pool runs here."""
        # A reader of a stale address file would talk to whoever has that port now.
        for stale in (self._record, self.persistent, *self.log.glob(".*_address*")):
            stale.unlink(missing_ok=True)

    def count_users(self) -> int:
        """How many objects, in any process, hold a share of :attr:`users_lock`; 0 where the kernel does not tell."""
        try:
            inode = str(self.users_lock.stat().st_ino)
            locks = Path("/proc/locks").read_text()
        except OSError:
            return 0
        # 1: FLOCK  ADVISORY  READ  4711 08:01:131072 0 EOF
        fields = [line.split() for line in locks.splitlines()]
        return sum(f[1] == "FLOCK" and f[3] == "READ" and f[5].rpartition(":")[2] == inode for f in fields)
