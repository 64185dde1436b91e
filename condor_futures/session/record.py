"""A session's ``session.json``: its id, the process that uses it, and the secret that authenticates its files."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from condor_futures.errors import CondorFuturesError
from condor_futures.files.private_files import check_place, open_regular
from condor_futures.submit import attributes

__all__ = ["RECORD", "SECRET_SIZE", "SessionRecord", "constraint_of"]

RECORD = "session.json"
"""The name of the file."""

SECRET_SIZE = 32
"""Bytes."""


@dataclass(frozen=True)
class SessionRecord:
    """The record of one session: what a client needs to attach to it."""

    id: str
    secret: bytes = field(repr=False)
    kept: bool
    """Whether the session stays when the last reference to it is gone."""
    owner: int | None = None
    """The uid that root's jobs run as and that owns the session's files; None if that is the client's own user."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The settings of its executor, as JSON values."""
    client: str = ""
    """The host of the last process that used the session."""
    pid: int = 0
    finished: bool = False
    """Whether that process shut the executor down."""

    @classmethod
    def read(cls, directory: Path) -> SessionRecord:
        """Read the record of the session that this user made in *directory*.

        The record has the secret that authenticates the session's files. So it must belong to this user, nobody else
        may be able to read or write it, and nobody else may be able to put files beside it.

        Raises:
            CondorFuturesError: there is no record, or it does not meet these conditions.

        """
        path = directory / RECORD
        try:
            file = open_regular(path)
        except FileNotFoundError:
            raise CondorFuturesError(f"there is no session in {directory}: it has no {RECORD}") from None
        except OSError as error:
            raise _unreadable(path, error) from error
        with file:
            about = os.fstat(file.fileno())
            if about.st_uid != os.geteuid():
                raise CondorFuturesError(f"{path} is not yours: it belongs to the uid {about.st_uid}")
            if about.st_mode & 0o077:
                mode = stat.S_IMODE(about.st_mode)
                raise CondorFuturesError(f"other users may access {path}: its mode is {mode:04o}, not 0600")
            try:
                record = cls._decode(json.loads(file.read()))
            except (ValueError, KeyError, TypeError) as error:
                raise _damaged(path) from error
        try:
            check_place(directory, record.owner)
        except OSError as error:
            raise _unreadable(directory, error) from error
        return record

    @classmethod
    def _decode(cls, fields: Mapping[str, Any]) -> SessionRecord:
        secret = bytes.fromhex(fields["secret"])
        if len(secret) != SECRET_SIZE:
            raise ValueError(f"a secret of {len(secret)} bytes")
        return cls(
            str(fields["id"]),
            secret,
            fields["kept"],
            fields["owner"],
            fields["settings"],
            str(fields["client"]),
            int(fields["pid"]),
            bool(fields.get("finished")),
        )

    def encode(self) -> bytes:
        """Return the contents of the file."""
        return json.dumps({**asdict(self), "secret": self.secret.hex()}).encode()

    def signed(self, *, finished: bool = False) -> SessionRecord:
        """Return a copy with this process as the one that uses the session."""
        return replace(self, client=os.uname().nodename, pid=os.getpid(), finished=finished)

    def with_settings(self, **settings: Any) -> SessionRecord:
        """Return a copy with *settings*, which must be JSON values, added."""
        return replace(self, settings={**self.settings, **settings})

    @property
    def of_dag(self) -> bool:
        """Whether the session belongs to a DAG: DAGMan submits its jobs, so the record has no access point."""
        return "access_point" not in self.settings

    @property
    def access_point(self) -> str | tuple[str, str] | None:
        """The *access_point* argument of the session's executor; a tuple is restored, because JSON has only lists."""
        access_point = self.settings.get("access_point")
        return tuple(access_point) if isinstance(access_point, list) else access_point

    @property
    def constraint(self) -> str:
        """The constraint that selects the session's jobs, in the queue and in the history.

        >>> SessionRecord("20261121-104523-1a2b3c4d", b"", kept=True).constraint
        'CondorFuturesSession == "20261121-104523-1a2b3c4d"'
        """
        return constraint_of(self.id)


def constraint_of(identity: str) -> str:
    """Return the constraint that selects the jobs of the session with the id *identity*."""
    return f'{attributes.SESSION} == "{identity}"'


def _unreadable(path: Path, error: OSError) -> CondorFuturesError:
    return CondorFuturesError(f"{path} cannot be read: {error.strerror or error}")


def _damaged(path: Path) -> CondorFuturesError:
    return CondorFuturesError(f"{path} is damaged, so the session cannot be used; you can delete its directory")
