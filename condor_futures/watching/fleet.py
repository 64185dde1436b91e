"""What is known of warm jobs, and of those that are alike."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from condor_futures.calls.bundle import Bundle
from condor_futures.watching.connections import Connection
from condor_futures.watching.waiting import GivenCall, Waiting

if TYPE_CHECKING:
    from condor_futures.execution_point.frames import Header

__all__ = ["Fleet", "WarmJob"]

#: A job is given so many calls at once that it has work for this many seconds, as far as earlier calls tell.
AHEAD: Final = 0.05
MOST_AHEAD: Final = 500
#: Seconds after which calls behind one that has not ended are for jobs that have none.
STUCK: Final = 0.05
#: A job whose calls take longer than this is given one call at a time: the way to the client costs a millisecond.
LONG: Final = 0.2
#: A call that took longer counts as one that took so many seconds.
LONGEST: Final = 2.0


@dataclass(eq=False)
class WarmJob:
    """A job that makes the calls that it is given."""

    bundle: Bundle
    directory: Path
    secret: bytes
    connection: Connection | None = None
    attempts: set[str] = field(default_factory=set)
    calls: dict[str, GivenCall] = field(default_factory=dict)
    #: The keys of calls that an earlier attempt was given, and that had no outcome then. The job may still bring
    #: one: it keeps outcomes that did not get through the line, and writes them at the beginning of its next attempt.
    lost: set[str] = field(default_factory=set)
    #: Whether the present attempt has said hello, so that all outcomes that the job had kept are here.
    greeted: bool = False
    #: When it was given calls, or ended one.
    heard: float = 0.0
    recalled: bool = False
    #: When it lost its slot; its calls are kept until it is known whether it runs again.
    interrupted: float | None = None
    #: It is given nothing more.
    leaving: bool = False
    met: bool = False

    @property
    def takes_calls(self) -> bool:
        """Whether it can be given calls."""
        return self.connection is not None and self.greeted and self.interrupted is None and not self.leaving

    @property
    def free(self) -> bool:
        """Whether it can be given calls, and has none."""
        return self.takes_calls and not self.calls

    def behind(self, now: float) -> int:
        """How many calls that another job could make wait behind one that takes long."""
        return self.divisible - 1 if self.stuck(now) else 0

    @property
    def divisible(self) -> int:
        """How many jobs could make its calls: one if it was given a chunk of a size that the user has chosen."""
        first = next(iter(self.calls.values()), None)
        return len(self.calls) if first is None or not first.storage.together else 1

    def stuck(self, now: float) -> bool:
        """Whether its call takes long."""
        return bool(self.calls) and now - self.heard > STUCK


@dataclass(eq=False)
class Fleet:
    """Jobs that are alike, and the calls that any of them can make."""

    waiting: Waiting = field(default_factory=Waiting)
    jobs: dict[Bundle, WarmJob] = field(default_factory=dict)
    #: Seconds that a call takes, as a moving average.
    duration: float | None = None
    needless_since: float | None = None

    def ahead(self) -> int:
        """How many calls a job is given at once.

        >>> Fleet().ahead(), Fleet(duration=60.0).ahead(), Fleet(duration=0.01).ahead(), Fleet(duration=0.0).ahead()
        (1, 1, 5, 500)

        """
        if self.duration is None or self.duration > LONG:
            return 1
        return max(2, min(int(AHEAD / max(self.duration, 1e-6)), MOST_AHEAD))

    def learn(self, header: Header) -> None:
        """Take the duration of a call from the header of its outcome, which the job wrote as it liked.

        >>> fleet = Fleet()
        >>> for ended in (float("nan"), float("inf"), 10**400, "late", None, 1e300):
        ...     fleet.learn({"started": 0.0, "ended": ended})
        >>> fleet.duration
        2.0

        """
        started, ended = header.get("started"), header.get("ended")
        if isinstance(started, float) and isinstance(ended, float) and math.isfinite(ended - started):
            # One call alone does not say for long that calls are long.
            took = min(max(ended - started, 0.0), LONGEST)
            self.duration = took if self.duration is None else self.duration + 0.1 * (took - self.duration)
