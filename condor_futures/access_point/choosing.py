"""Where jobs are submitted: an executor's *access_point*, or that of a session that was left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from condor_futures.access_point.location import Location
from condor_futures.session.session import Session

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """Where jobs are submitted.

    Attributes:
        location: of the schedd.
        transfer: the default of ``should_transfer_files``.
        owner: the uid that root's jobs run as, where that is not root.
        leave: called when nothing more is submitted there.

    """

    location: Location
    transfer: Literal["YES", "IF_NEEDED"] = "YES"
    owner: int | None = None
    leave: Callable[[], None] = lambda: None

    @classmethod
    def find(cls, access_point: str | tuple[str, str] | None, schedd: Sequence[str] | None = None) -> Place:
        """Understand an executor's *access_point*, which may mean to start a pool.

        Args:
            access_point: as in the executor's constructor.
            schedd: pool and name of the one that was local when jobs were submitted to it; which one is, depends on the
                environment.

        """
        if access_point == "personal":
            from condor_futures.personal import PersonalPool

            pool = PersonalPool().start()
            # Access point and execution point are one machine, where a job can run in its spool directory itself.
            return cls(Location(environment=pool.environment()), "IF_NEEDED", pool.job_owner, pool.close)
        if access_point is None and schedd is not None:
            collector, name = schedd
            return cls(Location(collector, name, local=True))
        return cls(Location.parse(access_point))

    @classmethod
    def of(cls, session: Session) -> Place:
        """Where the jobs of a session are that was left."""
        return cls.find(session.record.access_point, session.settings.get("schedd"))
