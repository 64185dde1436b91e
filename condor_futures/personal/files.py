"""The names of all files in a pool's directory, and the record of the pool in it."""

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
    """Return the directory of your default pool: ``$XDG_STATE_HOME/condor_futures/pools/personal``.

    ``XDG_STATE_HOME`` is ``~/.local/state`` by default. For root it is ``/var/lib`` if user namespaces are not allowed,
    as in many containers.
    """
    return base_directory("XDG_STATE_HOME", ".local/state") / "condor_futures" / "pools" / "personal"


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """The process that is, or was, the pool's ``condor_master``, and its HTCondor release."""

    master: Process
    release: HTCondorRelease

    def to_json(self) -> str:
        """Return the record as text."""
        return json.dumps(asdict(self), default=str, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PoolRecord:
        """Return the record in a text of :meth:`to_json`.

        Raises:
            ValueError: *text* is not such a text.

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
        """The process that starts, stops, joins or leaves the pool holds this lock exclusively meanwhile."""
        return self.directory / "start.lock"

    @property
    def persistent(self) -> Path:
        """Exists if the pool continues without users."""
        return self.directory / "persistent"

    @property
    def temporary(self) -> Path:
        """Exists if the directory is removed when the pool stops."""
        return self.directory / "temporary"

    @property
    def _record(self) -> Path:
        return self.directory / "pool.json"

    def read_record(self) -> PoolRecord | None:
        """Return the record; ``None`` if there is none, or it cannot be read."""
        try:
            return PoolRecord.from_json(self._record.read_text())
        except (OSError, ValueError):
            return None

    def write_record(self, record: PoolRecord) -> None:
        """Write the record; a reader sees either the old or the new one, never a part."""
        new = self._record.with_suffix(".new")
        new.write_text(record.to_json())
        new.rename(self._record)

    def master(self) -> Process | None:
        """Return the pool's ``condor_master`` if it runs, else ``None``."""
        record = self.read_record()
        return record.master if record and record.master.is_alive else None

    def make(self, identity: Identity) -> None:
        """Make the directories that the daemons need, with access only for the daemons and their jobs."""
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
        """Remove the files that say that a pool runs here."""
        # A reader of a stale address file would connect to another program that has that port now.
        for stale in (self._record, self.persistent, *self.log.glob(".*_address*")):
            stale.unlink(missing_ok=True)

    def count_users(self) -> int:
        """Return how many objects, in any process, share :attr:`users_lock`; 0 if the kernel does not tell."""
        try:
            inode = str(self.users_lock.stat().st_ino)
            locks = Path("/proc/locks").read_text()
        except OSError:
            return 0
        # 1: FLOCK  ADVISORY  READ  4711 08:01:131072 0 EOF
        fields = [line.split() for line in locks.splitlines()]
        return sum(f[1] == "FLOCK" and f[3] == "READ" and f[5].rpartition(":")[2] == inode for f in fields)
