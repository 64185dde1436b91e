"""The place where jobs are submitted: an executor's *access_point*, or the access point of an earlier session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from condor_futures.access_point.location import Location
from condor_futures.session.session import Session

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """A place where jobs are submitted.

    Attributes:
        location: of the schedd.
        transfer: the default of ``should_transfer_files``.
        owner: the uid that root's jobs run as, if it is not root's.
        leave: is called after the last submission.

    """

    location: Location
    transfer: Literal["YES", "IF_NEEDED"] = "YES"
    owner: int | None = None
    leave: Callable[[], None] = lambda: None

    @classmethod
    def find(cls, access_point: str | tuple[str, str] | None, schedd: Sequence[str] | None = None) -> Place:
        """Return the place that an executor's *access_point* means; ``"personal"`` starts the personal pool.

        Args:
            access_point: as in the executor's constructor.
            schedd: pool and name of the schedd that was the local one when the session submitted its jobs. The
                environment determines which schedd is local, and may have changed.

        """
        if access_point == "personal":
            from condor_futures.personal import PersonalPool

            pool = PersonalPool().start()
            # One machine is the access point and the execution point, so a job can run in its spool directory.
            return cls(Location(environment=pool.environment()), "IF_NEEDED", pool.job_owner, pool.close)
        if access_point is None and schedd is not None:
            collector, name = schedd
            return cls(Location(collector, name, local=True))
        return cls(Location.parse(access_point))

    @classmethod
    def of(cls, session: Session) -> Place:
        """Return the place where an earlier session submitted its jobs."""
        return cls.find(session.record.access_point, session.settings.get("schedd"))
