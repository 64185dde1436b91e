"""The location of a schedd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Location"]


@dataclass(frozen=True)
class Location:
    """The location of a schedd: *name* in *pool*; ``None`` stands for the local HTCondor configuration's value.

    Attributes:
        pool: the collector, as ``host`` or ``host:port``.
        name: the schedd, as ``name@host``.
        environment: variables, such as ``CONDOR_CONFIG``, that select the configuration.
        local: the schedd was the one of the local configuration. If it still is, no collector is asked for it.

    """

    pool: str | None = None
    name: str | None = None
    environment: Mapping[str, str] | None = None
    local: bool = False

    @classmethod
    def parse(cls, access_point: object) -> Location:
        """Return the location that the executor's *access_point* argument means.

        Raises:
            TypeError: if the argument is not None, a name, or a pair of pool and name.

        >>> Location.parse(("cm.example.org", "ap1@example.org"))
        Location(pool='cm.example.org', name='ap1@example.org', environment=None, local=False)

        """
        if access_point is None:
            return cls()
        if isinstance(access_point, str) and access_point:
            return cls(name=access_point)
        match access_point:
            case (str(pool), str(name)) if pool and name:
                return cls(pool, name)
        raise TypeError(
            "access_point must be None (the local HTCondor), 'personal', 'name@host', or a pair (pool, name), "
            f"not {access_point!r}"
        )

    @property
    def is_here(self) -> bool:
        """Whether the schedd is on this machine, as far as is known."""
        return self.local or (self.pool is None and self.name is None)

    @property
    def schedd(self) -> tuple[str | None, str | None] | None:
        """Pool and name of the schedd if it was the local one, for a later ``attach()``; None for other schedds."""
        return (self.pool, self.name) if self.local else None

    def __str__(self) -> str:
        """Return the schedd's name for messages."""
        if self.name is None:
            return "the local schedd"
        return f"the schedd {self.name}" + (f" in the pool {self.pool}" if self.pool else "")
