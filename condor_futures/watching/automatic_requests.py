"""Has jobs request what jobs like them used, with ``request_memory="auto"`` and ``request_disk="auto"``.

What a job used is known when it has ended. Jobs that are submitted later request it, and idle jobs in the queue are
edited.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

from condor_futures.access_point.requests import AccessPoint, AwayError
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.usages import Usages
from condor_futures.errors import AccessPointError
from condor_futures.options.options import Options
from condor_futures.ownership import owned
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State
from condor_futures.submit.automatic import ATTRIBUTES, automatic
from condor_futures.watching.learner import Need

__all__ = ["AutomaticRequests"]

logger = logging.getLogger(__name__)

#: Seconds between two requests to edit jobs: for each, the schedd looks at all of its jobs.
INTERVAL = 1.0
#: A claim that is kept for a job with a smaller request is of no use to one with a larger request, and keeps its slot.
_DEFAULTS = {"keep_claim_idle": ""}
_UNITS = {"request_memory": 1 << 20, "request_disk": 1 << 10}


@dataclass
class _Kind:
    """Jobs that learn from each other.

    Attributes:
        needs: what they need, by the submit commands that are learned.
        memory_max: the most memory that the user lets them request, in MiB; None for no limit.
        requests: what jobs of this kind request, by submit command, in its unit.
        submitted: what those of the last submission request.
        stale: idle jobs in the queue may request something else.

    """

    needs: Mapping[str, Need]
    memory_max: int | None
    requests: dict[str, int] = field(default_factory=dict)
    submitted: dict[str, int] = field(default_factory=dict)
    stale: bool = False

    def learn(self) -> None:
        """Work out what to request."""
        requests = {}
        for command, need in self.needs.items():
            if (amount := need.request()) is not None:
                requests[command] = max(-(-amount // _UNITS[command]), 1)
        if self.memory_max is not None and "request_memory" in requests:
            requests["request_memory"] = min(requests["request_memory"], self.memory_max)
        if requests != self.requests:
            self.requests, self.stale = requests, True


@owned()
class AutomaticRequests:
    """What the jobs of one session request, as far as it is learned. It belongs to the watcher's thread."""

    def __init__(self, session: Session, access_point: AccessPoint, jobs: Mapping[str, Bundle]) -> None:
        """Create it without jobs.

        Args:
            session: the session of the jobs.
            access_point: the access point of the jobs.
            jobs: the jobs in the queue, by job id; the watcher keeps it up to date.

        """
        self._session = session
        self._schedd = Schedd(access_point)
        self._jobs = jobs
        self._kinds: dict[Hashable, _Kind] = {}
        self._usages: Usages | None = None  # of its own, because another thread may read long in that of the session
        self._asking = False
        self._earliest = 0.0

    def commands(self, options: Options) -> Mapping[str, str]:
        """Return the submit commands for jobs with these *options*, which are being submitted."""
        if (kind := self._kind(options)) is None:
            return options.commands
        kind.submitted = kind.requests
        learned = {command: str(amount) for command, amount in kind.requests.items()}
        return {**_DEFAULTS, **options.commands, **learned}

    def submitted(self, options: Options) -> None:
        """Learn that the jobs with these *options* that were being submitted are in the queue."""
        kind = self._kind(options)
        if kind is not None and kind.submitted != kind.requests:
            kind.stale = True

    def ended(self, bundle: Bundle, cause: states.Event) -> None:
        """Learn from the job of *bundle*, which has ended because of *cause*. Its outcomes are here."""
        if (kind := self._kind(bundle.options)) is None:
            return
        used: tuple[int | None, int | None] = None, None
        if isinstance(cause, states.Terminated) and cause.exit_status == 0:
            if self._usages is None:
                self._usages = Usages(self._session.directory)
            used = self._usages.largest(bundle.key, bundle.path("outcomes"))
        for command, amount in zip(ATTRIBUTES, used, strict=True):
            if command in kind.needs:
                need = kind.needs[command]
                need.forget(bundle.key) if amount is None else need.used(bundle.key, amount)
        kind.learn()

    def raised(self, bundle: Bundle, mebibytes: int) -> None:
        """Learn that the job of *bundle*, which was held for memory, may use so much now."""
        kind = self._kind(bundle.options)
        if kind is not None and (need := kind.needs.get("request_memory")) is not None:
            need.exceeded(bundle.key, mebibytes << 20)
            kind.learn()

    def memory(self, bundle: Bundle) -> int | None:
        """Return the memory that jobs like that of *bundle* request, in MiB; None if it is not learned."""
        kind = self._kind(bundle.options)
        return kind.requests.get("request_memory") if kind is not None else None

    def proceed(self) -> None:
        """Send the request that is due, if any."""
        if self._asking or not any(kind.stale for kind in self._kinds.values()) or time.monotonic() < self._earliest:
            return
        clusters: dict[Hashable, set[str]] = {}
        for job_id, bundle in self._jobs.items():
            if bundle.job.state is State.IDLE and bundle.options.kind is not None:
                clusters.setdefault(bundle.options.kind, set()).add(job_id.partition(".")[0])
        for key, kind in self._kinds.items():
            if kind.stale:
                kind.stale = False
                if key in clusters:
                    self._edit(kind, clusters[key])
                    return

    def _edit(self, kind: _Kind, clusters: Iterable[str]) -> None:
        """Have the idle jobs in *clusters*, which have no jobs of another kind, request what was learned."""
        self._asking = True
        these = " || ".join(f"ClusterId == {cluster}" for cluster in sorted(clusters, key=int))
        attributes = {ATTRIBUTES[command]: str(amount) for command, amount in kind.requests.items()}
        request = self._schedd.edit(f"{self._session.constraint} && ({these})", attributes)
        request.send(functools.partial(self._edited, kind))

    def _edited(self, kind: _Kind, number: int | None, error: AccessPointError | None) -> None:
        self._asking = False
        self._earliest = time.monotonic() + INTERVAL
        if number is None:
            # The jobs can run as they are. The next change is another attempt.
            logger.warning("idle jobs could not be edited to request %s: %s", kind.requests, error)
            kind.stale = isinstance(error, AwayError)

    def _kind(self, options: Options) -> _Kind | None:
        if options.kind is None:
            return None
        if options.kind not in self._kinds:
            needs = {command: Need() for command in automatic(options.commands)}
            self._kinds[options.kind] = _Kind(needs, options.on_hold.policy.memory_max)
        return self._kinds[options.kind]
