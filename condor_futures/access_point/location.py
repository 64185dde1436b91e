"""Where a schedd is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Location"]


@dataclass(frozen=True)
class Location:
    """Where a schedd is: *name* in *pool*; ``None`` is what the local HTCondor configuration says.

    Attributes:
        pool: the collector, as ``host`` or ``host:port``.
        name: the schedd, as ``name@host``.
        environment: variables, such as ``CONDOR_CONFIG``, that say which configuration is meant.
        local: it was what the local configuration said; if that still says so, no collector need know it.

    """

    pool: str | None = None
    name: str | None = None
    environment: Mapping[str, str] | None = None
    local: bool = False

    @classmethod
    def parse(cls, access_point: object) -> Location:
        """Understand the executor's *access_point* argument.

        Raises:
            TypeError: if it is neither None, nor a name, nor a pair of pool and name.

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
    def schedd(self) -> tuple[str | None, str | None] | None:
        """Pool and name of the one that was the local one, for whoever comes back to its jobs; None for others."""
        return (self.pool, self.name) if self.local else None

    def __str__(self) -> str:
        """Name it in a message."""
        if self.name is None:
            return "the local schedd"
        return f"the schedd {self.name}" + (f" in the pool {self.pool}" if self.pool else "")
