"""What a session's ``session.json`` holds: who it is, who is at work on it, and the secret of its files."""

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
    """One session's: what whoever takes it up has to know."""

    id: str
    secret: bytes = field(repr=False)
    kept: bool
    """It is not removed with the last reference to it."""
    owner: int | None = None
    """The uid that root's jobs run as and that owns its files, where that is not root."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of its executor; what JSON can hold."""
    client: str = ""
    """The host on which somebody was at work on it last."""
    pid: int = 0
    finished: bool = False
    """Its work was done then."""

    @classmethod
    def read(cls, directory: Path) -> SessionRecord:
        """That of the session which this user made in *directory*.

        What authenticates the session's files is a secret that only this user may know, so the record must be this
        user's own, and nobody else's to read or write; and nobody else may be able to put files beside it.

        Raises:
            CondorFuturesError: if there is none, or if that is not so.

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
                raise CondorFuturesError(f"{path} is not yours alone: its mode is {mode:04o}, not 0600")
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
        """As the file has it."""
        return json.dumps({**asdict(self), "secret": self.secret.hex()}).encode()

    def signed(self, *, finished: bool = False) -> SessionRecord:
        """With this process as the one that is at work on it."""
        return replace(self, client=os.uname().nodename, pid=os.getpid(), finished=finished)

    def with_settings(self, **settings: Any) -> SessionRecord:
        """With *settings* too; what JSON can hold."""
        return replace(self, settings={**self.settings, **settings})

    @property
    def of_dag(self) -> bool:
        """It is a DAG's, whose jobs DAGMan submits: no executor was ever given an access point for it."""
        return "access_point" not in self.settings

    @property
    def access_point(self) -> str | tuple[str, str] | None:
        """As its executor was given it; JSON knows no tuples."""
        access_point = self.settings.get("access_point")
        return tuple(access_point) if isinstance(access_point, list) else access_point

    @property
    def constraint(self) -> str:
        """Selects its jobs, in the queue and in the history.

        >>> SessionRecord("20261121-104523-1a2b3c4d", b"", kept=True).constraint
        'CondorFuturesSession == "20261121-104523-1a2b3c4d"'
        """
        return constraint_of(self.id)


def constraint_of(identity: str) -> str:
    """Selects the jobs of the session with that id."""
    return f'{attributes.SESSION} == "{identity}"'


def _unreadable(path: Path, error: OSError) -> CondorFuturesError:
    return CondorFuturesError(f"{path} cannot be read: {error.strerror or error}")


def _damaged(path: Path) -> CondorFuturesError:
    return CondorFuturesError(
        f"{path} is damaged; without it, the session cannot be used any more, and its directory may go"
    )
