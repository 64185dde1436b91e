"""Gathers bundles, and submits them many at a time, as far as limits allow."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from condor_futures.access_point.helper.words import TRANSFERS_COMMON_INPUT, LimitReached, NoRoom, Submitted
from condor_futures.access_point.requests import AccessPoint, AwayError
from condor_futures.access_point.schedd import Request, Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.errors import AccessPointError
from condor_futures.options.options import Options
from condor_futures.ownership import owned, reads
from condor_futures.session.links import Links, needs_links
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Event, State
from condor_futures.submit import attributes
from condor_futures.submit.description import describe
from condor_futures.submit.file_names import is_one_name
from condor_futures.submit.values import quote_file
from condor_futures.watching.queue_limit import QueueLimit

__all__ = ["Submissions"]

logger = logging.getLogger(__name__)

#: Bundles form one cluster when none has arrived for QUIET seconds, or after GATHER seconds. Writing a bundle takes
#: 0.2 ms.
QUIET, GATHER = 0.005, 0.1
LARGEST_CLUSTER = 1000
#: Shared objects and environments of so many bytes are transferred once to each machine, where HTCondor can do that.
COMMON = 10 << 20
#: A bundle that does not fit into a shared spool directory is tried alone this often: for about 20 minutes.
LONE_REFUSALS = 40


class Awaits(Protocol):
    """Knows whether bundles of a cluster still wait for futures."""

    def awaits(self, cluster: str | None) -> bool: ...


class Learns(Protocol):
    """Knows what jobs request, if that is learned."""

    def commands(self, options: Options) -> Mapping[str, str]: ...


class Answers(Protocol):
    """Handles the schedd's answers to submissions."""

    def submitted(self, batch: Sequence[Bundle], result: Submitted) -> None: ...

    def refused(self, batch: Sequence[Bundle], error: AccessPointError) -> None: ...


@owned()
class Submissions:
    """Keeps the bundles of one session until they are in the queue. It belongs to the watcher's thread.

    Attributes:
        under_way: the bundles that are being submitted.
        early: events of unknown jobs that arrived during the submission.
        stuck: whether the access point is unreachable, so that it is unknown when the submission succeeds.

    """

    def __init__(
        self,
        access_point: AccessPoint,
        session: Session,
        live: Mapping[str, Bundle],
        *,
        max_jobs: int,
        categories: Mapping[str, int],
        transfer: Literal["YES", "IF_NEEDED"],
        dependencies: Awaits,
        schedd_said: Answers,
        learned: Learns,
    ) -> None:
        """Create it without bundles.

        Args:
            access_point: the access point of the jobs.
            session: the session of the jobs.
            live: the jobs in the queue, by job id; the watcher keeps it up to date.
            max_jobs: the maximum number of jobs in the queue.
            categories: the maximum number by category; may change at any time.
            transfer: the default of ``should_transfer_files``.
            dependencies: knows whether more bundles of a cluster are still to come.
            schedd_said: handles the schedd's answers.
            learned: has the submit commands of jobs whose requests are learned.

        """
        self.under_way: Sequence[Bundle] = ()
        self.early: list[Event] = []
        self.stuck = False
        self._schedd = Schedd(access_point)
        self._access_point = access_point
        self._session = session
        self._live = live
        self._max_jobs = max_jobs
        self._categories = categories
        self._transfer = transfer
        self._dependencies = dependencies
        self._schedd_said = schedd_said
        self._learned = learned
        #: By their keys, see _key.
        self._pending: dict[Hashable, list[Bundle]] = {}
        self._withdrawn = False
        self._limit = QueueLimit()
        self._largest = LARGEST_CLUSTER
        self._lone_refusals: Counter[str] = Counter()
        self._first_arrival = self._last_arrival = 0.0
        # The random part prevents equal names of submissions by other clients of the session, before or after this one.
        self._names = (f"{session.id}#{secrets.token_hex(4)}-{number}" for number in itertools.count())

    @reads
    def bundles(self) -> list[Bundle]:
        """Return the bundles that wait, and those that are being submitted."""
        return [*itertools.chain.from_iterable(self._pending.values()), *self.under_way]

    @property
    def empty(self) -> bool:
        """Whether no bundle waits or is being submitted."""
        return not (self._pending or self.under_way)

    @property
    @reads
    def full(self) -> bool:
        """Whether bundles wait because the executor has as many jobs in the queue as it may have."""
        return bool(self._pending) and len(self._live) >= self._max_jobs

    def add(self, bundles: Iterable[Bundle], *, complete: bool = False) -> None:
        """Have *bundles* submitted. *complete* says that no more bundles for the same cluster will come."""
        now = time.monotonic()
        if not self._pending:
            self._first_arrival = now
        self._last_arrival = now - QUIET if complete else now
        for bundle in bundles:
            self._pending.setdefault(_key(bundle), []).append(bundle)

    def withdraw(self) -> None:
        """Note that some bundles are not wanted any more, as their states show."""
        self._withdrawn = True

    def clear(self) -> None:
        """Forget all bundles."""
        self._pending.clear()
        self.under_way = ()

    def due(self) -> bool:
        """Return whether bundles can be submitted now or within QUIET seconds."""
        return not self.under_way and bool(self._next())

    def patience(self) -> float:
        """Return the seconds until there may be bundles to submit that no message announces."""
        if self.under_way or not self._pending:
            return math.inf
        now = time.monotonic()  # before due(), so that the limit cannot expire between the two
        return QUIET if self.due() else self._limit.patience(now)

    def proceed(self, *, hurry: bool) -> None:
        """Submit the bundles that are due. In a *hurry* do not wait for more bundles."""
        if self.under_way or not self._pending:
            return
        if self._withdrawn:
            self._withdrawn = False
            kept = ((key, [b for b in group if b.job.state is State.PENDING]) for key, group in self._pending.items())
            self._pending = {key: group for key, group in kept if group}
        now = time.monotonic()
        batch = self._next()
        quiet = now - self._last_arrival >= QUIET or now - self._first_arrival >= GATHER or hurry
        if batch and (quiet or len(batch) >= self._largest):
            self._submit(batch)

    def _next(self) -> list[Bundle]:
        """Return the bundles for the next cluster: those of the first options for which there is room."""
        live = len(self._live)
        allowed = self._limit.room(live, time.monotonic())
        room = int(min(self._max_jobs - live, allowed))
        if room <= 0 and live:
            return []
        in_queue = Counter(bundle.options.category for bundle in self._live.values()) if self._categories else Counter()
        for bundles in self._pending.values():
            options = bundles[0].options
            limit = self._categories.get(options.category) if options.category is not None else None
            free = room if limit is None else min(room, limit - in_queue[options.category])
            if not options.cluster:
                if free > 0:
                    return bundles[: min(free, self._largest)]
            elif len(bundles) > room and (live or len(bundles) > allowed):
                # Later bundles must wait too, or else they would take the room that this cluster needs, one by one.
                # (A cluster may exceed max_jobs, which may have been larger when the cluster was requested.)
                return []
            elif (len(bundles) <= free or not in_queue[options.category]) and not self._dependencies.awaits(
                options.cluster
            ):
                return bundles  # may exceed the free places, if the limit was lowered after the request
        return []

    def _submit(self, batch: list[Bundle]) -> None:
        self.under_way = batch  # first, so that any later failure also fails these bundles
        self.early.clear()
        options, key = batch[0].options, _key(batch[0])
        rest = self._pending[key][len(batch) :]
        if rest:
            self._pending[key] = rest
        else:
            del self._pending[key]
        name = next(self._names)
        transferred, common = self._files_of_all(batch[0])
        description = describe(
            self._learned.commands(options),
            session_id=self._session.id,
            runner=self._session.runner_with(options.code),
            directory=self._session.bundles,
            event_log=self._session.event_log,
            shipped=options.ship.files,
            objects=transferred,
            common=common,
            # An unspooled job needs file transfer for the user's own files.
            should_transfer_files="YES" if options.own_files and not options.spool else self._transfer_of(options),
            own_log=options.keep_logs is not None,
            environment=options.environment.name if options.environment is not None else None,
            lines=self._session.lines if options.open else self._session.streams if options.streams else None,
            warm=options.open,
            spool=options.spool,
        )
        if options.spool and needs_links(description):
            try:
                description = Links(self._session.links, self._session.directory_of_bundle(0)).linked(description)
            except (OSError, ValueError) as error:
                batch, self.under_way = self.under_way, ()
                why = f"a link to one of its files cannot be made: {error}"
                self._schedd_said.refused(batch, AccessPointError(why))
                return
        description[f"MY.{attributes.BATCH}"] = f'"{name}"'
        items = [
            {"bundle": bundle.key, "directory": bundle.directory.name, "calls": str(len(bundle.futures))}
            for bundle in batch
        ]
        batch_of_name = f'{attributes.BATCH} == "{name}"'
        self._ask(self._schedd.submit(description, items, options.spool, batch_of_name))

    def _transfer_of(self, options: Options) -> Literal["YES", "IF_NEEDED"]:
        """Return whether HTCondor must transfer the files of jobs even to a machine that has them."""
        return "YES" if options.in_container else self._transfer

    def _files_of_all(self, bundle: Bundle) -> tuple[Sequence[str], Sequence[Path]]:
        """Return the files of shared objects, and of the environment, for *bundle*'s cluster.

        They are absolute, for preserve_relative_paths, unless a submit description cannot name the directory.

        Returns:
            The files that each job gets, and the files that all jobs of a machine get together.

        """
        session, options = self._session, bundle.options
        files = {session.objects / name: session.object_from_bundle(name) for name in bundle.shared}
        if (environment := options.environment) is not None:
            path = session.environments / environment.name
            files[path] = session.environment_from_bundle(environment.name)
        if not files or self._transfer_of(options) == "IF_NEEDED":
            return (), ()  # the jobs take none, or read them where they are
        if not all(map(is_one_name, map(str, files))):
            return list(files.values()), ()
        # The shadow of a warm job may read no file of the session but its own.
        if self._transfers_common_input and not options.open:
            # Not for small files: the jobs wait seconds for a slot that does nothing but receive the common files.
            with contextlib.suppress(OSError):  # a file that was removed is noticed when the jobs are submitted
                if sum(path.stat().st_size for path in files) >= COMMON:
                    return (), list(files)
        return [quote_file("transfer_input_files", path) for path in files], ()

    @property
    def _transfers_common_input(self) -> bool:
        return bool(self._access_point.about.get(TRANSFERS_COMMON_INPUT))

    def _ask(self, request: Request[Submitted | LimitReached | NoRoom]) -> None:
        request.send(functools.partial(self._submitted, request))

    def _submitted(
        self,
        request: Request[Submitted | LimitReached | NoRoom],
        result: Submitted | LimitReached | NoRoom | None,
        error: AccessPointError | None,
    ) -> None:
        wanted = any(bundle.job.state is not State.DISCARDED for bundle in self.under_way)
        if isinstance(error, AwayError) and wanted:
            if not self.stuck:
                logger.warning(
                    "%d jobs could not be submitted; retrying until it succeeds: %s", len(self.under_way), error
                )
            self.stuck = True
            # Repeat the request under the same name: the schedd may have accepted it, and exited before it answered.
            self._ask(request.again())
            return
        self.stuck = False
        for bundle in self.under_way:
            if bundle.job.state is State.DISCARDED:
                bundle.cancel_calls()  # not earlier, because the submission needs the file: see UnderWay.unwant
        if result is not None and "refused" in result:
            batch, self.under_way = self.under_way, ()
            if not batch:
                return  # the bundles are not wanted any more
            if "error" in result:
                self._no_room(batch, **result)
            else:
                self._limited(batch, **result)
            return
        if result is not None:
            self._schedd_said.submitted(self.under_way, result)
        elif error is not None:
            self._schedd_said.refused(self.under_way, error)
        self.under_way = ()  # not earlier: events of unknown jobs may belong to these bundles
        self._limit.taken(len(self._live))

    # Refusals: nothing of the batch is in the queue.

    def _limited(self, batch: Sequence[Bundle], refused: str, room: int, limit: int | None) -> None:
        """Handle a refusal because of the limit named *refused*.

        The queue has room for *room* jobs of *batch* now, and never for more than *limit*.
        """
        options = batch[0].options
        if limit is not None and len(batch) > limit and options.cluster:
            error = f"it accepts at most {limit} jobs ({refused}), but the cluster has {len(batch)}"
            self._schedd_said.refused(batch, AccessPointError(error))
            return
        if refused == "MAX_JOBS_PER_SUBMISSION":
            self._largest = max(room, 1)
        else:
            self._wait_for_room(batch, refused, room)
        # These bundles were first in the order, and are first again.
        key = _key(batch[0])
        self._pending = {key: [*batch, *self._pending.pop(key, ())], **self._pending}

    def _no_room(self, batch: Sequence[Bundle], refused: str, room: int, error: str, others: bool) -> None:
        """Handle a refusal because the files of *batch* do not fit: only those of *room* jobs do.

        *others* says whether jobs of other users or sessions may use some of the space.
        """
        key = _key(batch[0])
        group = self._pending.pop(key, [])
        if room and not batch[0].options.cluster:
            self._pending = {key: [*batch, *group], **self._pending}
        else:
            # A bundle that does not fit alone may be too large, and must not block smaller ones.
            self._lone_refusals[batch[0].key] += 1
            hopeless = not (others or self._live) and self._limit.stuck
            if hopeless or self._lone_refusals[batch[0].key] >= LONE_REFUSALS:
                if group:
                    self._pending[key] = group
                self._limit.skip()
                self._schedd_said.refused(batch, AccessPointError(error))
                return
            self._pending[key] = [*group, *batch]
            room = 0
        self._wait_for_room(batch, refused, room)

    def _wait_for_room(self, batch: Sequence[Bundle], why: str, room: int) -> None:
        if not self._limit.reached:
            logger.warning(
                "the access point accepts no more jobs at present (%s); at least %d jobs wait", why, len(batch) - room
            )
        self._limit.refused(len(self._live), room, time.monotonic())


def _key(bundle: Bundle) -> Hashable:
    """Return the key of a bundle: bundles with equal keys share a cluster, whose jobs have the same input files."""
    return bundle.options.key, tuple(bundle.shared)
