"""Warm jobs: which there are, which calls they are given, and when they leave.

It is long because one table says where each call is: waiting, or given to a job that may lose it.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import writing_calls
from condor_futures.calls.lines import Attempt, cancelled_of
from condor_futures.calls.stored_calls import StoredCalls, bundle_secret
from condor_futures.errors import OutcomeError, PayloadError, SharedObjectError
from condor_futures.execution_point.bundle import NO_LINE
from condor_futures.files.appending import append_line
from condor_futures.files.attempts import find_attempts
from condor_futures.files.growth import Growth
from condor_futures.future import CondorFuture, Progress
from condor_futures.options.options import Options
from condor_futures.options.warm import can_stream, closed_because
from condor_futures.ownership import owned, reads
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import State
from condor_futures.watching.connections import Connection
from condor_futures.watching.fleet import STUCK, Fleet, WarmJob
from condor_futures.watching.fleet_bundles import chunk_size, closed_bundle, open_bundle
from condor_futures.watching.live_jobs import LiveJobs
from condor_futures.watching.stacks import Stacks
from condor_futures.watching.waiting import GivenCall, Storage

if TYPE_CHECKING:
    from condor_futures.execution_point.frames import Header

__all__ = ["Fleets"]

logger = logging.getLogger(__name__)

#: Seconds for which idle jobs stay in the queue when no call waits; and for which another job is idle before jobs
#: without calls leave their slots to it: most jobs find a free slot sooner.
SPARE: Final = 5.0
#: Seconds for which a job that lost its slot keeps its calls if the schedd does not say whether it is to run again.
EVICTED: Final = 20.0
#: As long as nobody has said how many cores the pool has.
FIRST_JOBS: Final = 16
#: Seconds between two looks at files that inotify does not tell about: this share of the silence, within these bounds.
POLL_SHARE, POLL_SHORTEST, POLL_LONGEST = 0.02, 0.001, 0.25
#: After so many jobs in a row that could not use it, although others could, each further one fails a call.
MOST_WITHOUT_LINE: Final = 20
#: Seconds until a full disk is tried again.
NO_ROOM: Final = 1.0
#: A hostile job may begin as many attempts as it likes.
MOST_ATTEMPTS: Final = 1000


class Submits(Protocol):
    """Puts bundles into the queue."""

    @property
    def full(self) -> bool: ...

    def add(self, bundles: Iterable[Bundle], *, complete: bool = False) -> None: ...


@owned()
class Fleets:
    """The warm jobs of a session, and the calls that they are to make. It belongs to the watcher's thread.

    Jobs that are alike form a fleet. Calls wait here until a job of their fleet is free.
    """

    def __init__(
        self,
        session: Session,
        jobs: LiveJobs,
        submissions: Submits,
        resolver: Resolver,
        post: Callable[[Callable[[], None]], None],
        next_bundle: Callable[[], int],
        ask_cores: Callable[[Callable[[int | None], None]], None],
        max_jobs: int,
        works: bool,
        shared_files: bool = False,
        *,
        stacks: Stacks,
    ) -> None:
        """Make it.

        Args:
            session: whose jobs.
            jobs: those in the queue.
            submissions: puts bundles into the queue.
            resolver: resolves futures.
            post: has a function called in the watcher's thread.
            next_bundle: gives out the numbers of bundles.
            ask_cores: asks how many cores the pool has, and has the answer posted.
            max_jobs: how many jobs may be in the queue at once.
            works: whether jobs can be warm, as far as is known.
            shared_files: whether jobs see the files of the session.
            stacks: who waits for the stacks of calls.

        """
        self._session = session
        self._jobs = jobs
        self._submissions = submissions
        self._resolver = resolver
        self._stacks = stacks
        self._post = post
        self._next_bundle = next_bundle
        self._ask_cores = ask_cores
        self._max_jobs = max_jobs
        self._shared_files = shared_files
        self._fleets: dict[Hashable, Fleet] = {}
        self._unfinished = 0
        self._storages: dict[Bundle, Storage] = {}
        self._warm: dict[Bundle, WarmJob] = {}
        self._of_directory: dict[Path, WarmJob] = {}
        self._changed: set[Path] = set()
        self._growth = Growth()
        self._given: int | None = None
        self._no_room_until = -math.inf
        self._cores: int | None = None
        self._asked = False
        self._obstacle = None if works else "the access point is not the one of this machine"
        self._met = False
        self._without_line = 0
        self._active = self._looked = time.monotonic()

    @property
    def descriptor(self) -> int | None:
        """Can be read when a job has written something, where inotify works."""
        return self._growth.descriptor

    @property
    def empty(self) -> bool:
        """No call is without its outcome."""
        return not self._unfinished

    @reads
    def bundles(self) -> list[Bundle]:
        """The open bundles whose jobs have ended, but perhaps not their calls."""
        return [bundle for bundle in list(self._warm) if bundle.job.state is State.ENDED]

    @reads
    def futures(self) -> list[CondorFuture[Any]]:
        """Return the futures of all calls that have no outcome."""
        waiting = [future for fleet in list(self._fleets.values()) for future in fleet.waiting.futures()]
        return waiting + [call.future for job in list(self._warm.values()) for call in list(job.calls.values())]

    @reads
    def reports(self) -> dict[str, Progress]:
        """Return the last reports of the calls that jobs make now, by call key."""
        first = (list(job.calls.values())[:1] for job in list(self._warm.values()))
        return {call.key: call.future.progress for calls in first for call in calls if call.future.progress is not None}

    # Calls come.

    def takes(self, bundle: Bundle) -> bool:
        """Whether the calls of *bundle* are made by warm jobs."""
        if bundle.places and bundle.stream is None:
            return True  # some of its calls have been made, or are being made
        return self.why_not(bundle.options) is None

    @reads
    def why_not(self, options: Options) -> str | None:
        """Return why calls with these *options* are not made by warm jobs; None if they are, as far as is known."""
        if not options.warm:
            return "warm is 0"
        return closed_because(options, shared_files=self._shared_files) or self._obstacle

    @reads
    def streams(self, options: Options) -> bool:
        """Return whether jobs with these *options*, which are not warm, have a line, as far as is known."""
        return self._obstacle is None and can_stream(options)

    def add(self, bundle: Bundle) -> None:
        """Have the calls of *bundle* made. A call whose file cannot be read fails."""
        try:
            stored = StoredCalls(bundle.path("calls"))
        except (OSError, ValueError, StopIteration) as error:
            self._resolver.fail(bundle, error)
            return
        stored.close()
        over = {*bundle.cancelled, *bundle.places}
        futures = {call: bundle.futures[call] for call in stored.calls if call in bundle.futures and call not in over}
        self.store(stored, bundle, futures)

    def store(self, stored: StoredCalls, bundle: Bundle, futures: Mapping[str, CondorFuture[Any]]) -> None:
        """Have calls made that are *stored* in the file of *bundle*, which may get more."""
        if not self._asked:
            self._asked = True
            self._ask_cores(self._told_cores)
        storage = self._storages.get(bundle)
        if storage is None:
            fleet = self._fleets.setdefault((bundle.options.key, stored.kind), Fleet())
            storage = self._storages[bundle] = Storage(bundle, stored, fleet)
        storage.add(futures)
        storage.fleet.waiting.add(storage, len(futures))
        self._unfinished += len(futures)
        self._active = time.monotonic()
        if self._obstacle is not None and not bundle.places:  # it appeared after the calls were stored
            self._submit_closed(storage, storage.fleet.waiting.take_all(storage))
        elif not storage.unfinished:
            self._clean_up(storage)

    def adopt(self, bundle: Bundle, last: Attempt | None) -> None:
        """Go on with the warm job of an open bundle, which an earlier client submitted.

        Args:
            bundle: its job is in the queue.
            last: what it and the client wrote to each other; None if it has not run.

        """
        assert bundle.line is not None
        try:
            stored = StoredCalls(bundle.path("calls"))
        except (OSError, ValueError, StopIteration):  # nobody can tell what it is for
            logger.warning("the calls of the bundle %s cannot be read; its job is left to itself", bundle.key)
            return
        options = replace(bundle.options, open=False)
        fleet = self._fleets.setdefault((options.key, stored.kind), Fleet())
        job = WarmJob(bundle, bundle.line, bundle_secret(self._session.secret, bundle.key))
        fleet.jobs[bundle] = self._warm[bundle] = self._of_directory[bundle.line] = job
        bundle.stacks = self._stacks
        self._growth.watch_directory(bundle.line)
        self._changed.add(bundle.line)  # it may have begun another attempt since the evidence was collected
        if last is None:
            return
        job.attempts.update(last.earlier, [last.name])
        job.met = self._met = True
        job.greeted = last.greeted
        job.lost.update(last.lost)
        try:
            job.connection = Connection(bundle.line, last.name, job.secret, last.position)
        except OSError as error:
            logger.warning("the job %s cannot be given calls: %s", bundle.job.job_id, error)
            return
        bundle.attempt = job.connection.path
        self._growth.watch_file(job.connection.outcomes)
        for key in dict.fromkeys(last.calls):
            call = self._find_waiting(key)
            if call is not None:
                self._assign(job, [call])
            else:  # it was cancelled, or another job's outcome of it counts
                job.connection.say(kind="cancel", call=key)
        self._send(job.connection)

    def _find_waiting(self, key: str) -> GivenCall | None:
        """Remove the call *key* from those that wait, and return it."""
        calls = (storage.fleet.waiting.remove(storage, key) for storage in self._storages.values())
        return next(filter(None, calls), None)

    def _told_cores(self, cores: int | None) -> None:
        self._cores = cores or self._max_jobs

    # What is due.

    def patience(self) -> float:
        """Seconds until there may be something to do that no message announces."""
        if not self._warm:
            return math.inf
        silence = time.monotonic() - self._active
        shortest = POLL_SHORTEST
        if self._growth.works:
            shortest = STUCK / 2  # only for recalls; what jobs write wakes the watcher
        return min(max(POLL_SHARE * silence, shortest), POLL_LONGEST)

    def read(self) -> None:
        """Take in what the jobs have written."""
        if not self._warm:
            return
        changed, self._changed = self._growth.read() | self._changed, set()
        now = time.monotonic()
        if not self._growth.works or now - self._looked >= POLL_LONGEST:
            self._looked = now
            changed.update(self._of_directory)
        for path in changed:
            job = self._of_directory.get(path) or self._of_directory.get(path.parent)
            if job is not None:
                self._read(job, new=path in self._of_directory)

    def proceed(self, *, closing: bool) -> None:
        """Give calls to jobs, and see that there are as many jobs as are needed."""
        for job in list(self._warm.values()):
            if job.interrupted is not None and time.monotonic() - job.interrupted > EVICTED:
                self._lose(job)
            if job.connection is not None and job.connection.behind and time.monotonic() >= self._no_room_until:
                self._send(job.connection)
        for fleet in self._fleets.values():
            if fleet.waiting:
                self._hand_out(fleet)
            self._recall(fleet)
            self._resize(fleet, closing=closing)

    # Between the client and one job.

    def _read(self, job: WarmJob, *, new: bool, over: bool = False) -> None:
        """Take in what a job has written, perhaps in *new* attempts; *over* says that it has ended."""
        if job.connection is not None:
            self._take_in(job, job.connection)
        if not new:
            return
        for name in find_attempts(job.directory):
            if name in job.attempts:
                continue
            job.attempts.add(name)
            if job.connection is not None:
                self._take_in(job, job.connection)
            if not over:
                self._lose(job)
            self._disconnect(job)
            if job.bundle not in self._warm:
                return  # what it wrote at last had it removed
            if len(job.attempts) > MOST_ATTEMPTS:
                self._refuse(job, ValueError("it began too many attempts"))
                return
            try:
                job.connection = Connection(job.directory, name, job.secret)
            except OSError as error:
                logger.warning("the job %s cannot be given calls: %s", job.bundle.job.job_id, error)
                continue
            job.bundle.attempt = job.connection.path
            self._growth.watch_file(job.connection.outcomes)
            self._take_in(job, job.connection)

    def _take_in(self, job: WarmJob, connection: Connection) -> None:
        """Take in the new frames of a job."""
        ended: list[tuple[str, int]] = []
        try:
            for header, start in connection.read():
                self._active = time.monotonic()
                if header.get("kind") != "outcome":
                    self._hear(job, header)
                elif (call := self._made_by(job, str(header.get("call")))) is not None:
                    job.heard = self._active
                    ended.append((call.key, start))
                    call.storage.fleet.learn(header)
                    self._finish(call)
        except OSError as error:
            logger.warning("the job %s is removed: %s", job.bundle.job.job_id, error)
            self._remove(job)
        except ValueError as error:
            self._refuse(job, error)
        if ended:
            self._resolver.deliver(job.bundle, connection.outcomes, ended)

    def _made_by(self, job: WarmJob, key: str) -> GivenCall | None:
        """Return the call *key* if the job may have an outcome of it, which counts: no other job makes the call."""
        call = job.calls.pop(key, None)
        if call is not None or key not in job.lost:
            return call
        job.lost.discard(key)
        call = self._find_waiting(key)
        other = next((other for other in self._warm.values() if key in other.calls), None)
        if call is None and other is not None:
            call = other.calls[key]
            self._resolver.forget(other.bundle, [key])
            self._stop(other, key)
        if call is not None:
            call.future.bundle = job.bundle
            self._resolver.give(job.bundle, {key: call.future})
        return call

    def _stop(self, job: WarmJob, key: str) -> None:
        """Have the job not make a call, or not go on with it."""
        del job.calls[key]
        if job.connection is not None:
            job.connection.say(kind="cancel", call=key)
            self._send(job.connection)

    def _hear(self, job: WarmJob, header: Header) -> None:
        """Do what follows from a frame that is not an outcome. The job wrote it as it liked."""
        match header:
            case {"kind": "hello"}:
                job.met = self._met = job.greeted = True
                self._without_line = 0
                job.lost.clear()
            case {"kind": "returned", "calls": list(keys)}:
                job.recalled = False
                job.leaving = job.leaving or bool(header.get("leaving"))
                given = dict.fromkeys(key for key in keys if isinstance(key, str) and key in job.calls)  # once each
                self._take_back(job, list(given))
            case {"kind": "report", "call": str(key)} if key in job.calls:
                job.calls[key].future.set_progress(header.get("fraction"), header.get("text"))
            case {"kind": "stack", "call": str(key)} if key in job.calls:
                self._stacks.answer(key, header)
            case {"kind": "left"}:
                job.leaving = True
                self._take_back(job, list(job.calls))

    def _hand_out(self, fleet: Fleet) -> None:
        # A job that does not get on with its call is given no others: those that it returned would come back to it.
        now = time.monotonic()
        ready = [job for job in fleet.jobs.values() if job.takes_calls and not job.stuck(now)]
        if not ready or now < self._no_room_until:
            return
        ahead = fleet.ahead()
        share = -(-len(fleet.waiting) // len(ready))
        for job in sorted(ready, key=lambda job: len(job.calls)):
            room = min(ahead - len(job.calls), share)
            if job.recalled or room <= 0:
                continue
            room = max(room, fleet.waiting.together)  # chunks of a size that the user has chosen
            if calls := fleet.waiting.take(room):
                self._give(fleet, job, calls)

    def _give(self, fleet: Fleet, job: WarmJob, calls: Sequence[GivenCall]) -> None:
        assert job.connection is not None
        if not self._note(job.bundle.key, calls):
            fleet.waiting.put_back(calls)
            return
        given: list[GivenCall] = []
        for storage, group in itertools.groupby(calls, lambda call: call.storage):
            of_it = list(group)
            try:
                for name in storage.calls.shared([call.key for call in of_it]):
                    self._session.shared.lend(name, job.directory)
                job.connection.hand_out(storage.calls, [call.key for call in of_it])
            except (OSError, ValueError, SharedObjectError) as error:
                self._fail(of_it, error)
            else:
                given += of_it
        self._assign(job, given)
        job.heard = self._active = time.monotonic()
        self._send(job.connection)

    def _assign(self, job: WarmJob, calls: Sequence[GivenCall]) -> None:
        """Note that *job* makes *calls*."""
        for call in calls:
            call.job = job
            job.calls[call.key] = call
            call.future.bundle = job.bundle
            call.future.mark_running()
        self._resolver.give(job.bundle, {call.key: call.future for call in calls})

    def _fail(self, calls: Sequence[GivenCall], error: BaseException) -> None:
        """Fail calls that no job has."""
        self._resolver.fail_waiting([call.future for call in calls], error)
        for call in calls:
            self._finish(call, failed=True)

    def _send(self, connection: Connection) -> None:
        if not connection.send():
            self._no_room_until = time.monotonic() + NO_ROOM

    def _note(self, about: str, calls: Sequence[GivenCall]) -> bool:
        """Note where no job can write which calls a job is given, or were cancelled; return whether that was possible.

        A client that attaches believes outcomes of these calls only, and does not make those that were cancelled.
        """
        if not calls:
            return True
        try:
            if self._given is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._given = os.open(self._session.given, flags, 0o600)
            append_line(self._given, f"{about} {' '.join(call.key for call in calls)}")
        except OSError as error:
            self._has_no_room(error)
            return False
        self._no_room_until = -math.inf
        return True

    def _has_no_room(self, error: BaseException) -> None:
        if self._no_room_until == -math.inf:
            logger.warning("calls wait, because the session cannot be written to: %s", error)
        self._no_room_until = time.monotonic() + NO_ROOM

    def _recall(self, fleet: Fleet) -> None:
        """Have calls that wait behind a long one given back, for jobs that have none."""
        if fleet.waiting or not any(job.free for job in fleet.jobs.values()):
            return
        now = time.monotonic()
        for job in fleet.jobs.values():
            behind = job.behind(now)
            if behind and job.connection is not None and not job.recalled:
                job.recalled = True
                job.connection.say(kind="recall", calls=-(-behind // 2))
                self._send(job.connection)

    def _take_back(self, job: WarmJob, keys: Sequence[str]) -> None:
        """Have other jobs make these calls, which *job* will not make; in their order, before all others."""
        calls = [job.calls.pop(key) for key in keys]
        for storage, group in itertools.groupby(calls, lambda call: call.storage):
            moved = list(group)
            for call in moved:
                self._stacks.drop(call.key)
                call.job = None
                call.future.bundle = storage.bundle
            self._resolver.take_back(job.bundle, {call.key: call.future for call in moved}, storage.bundle)
        for fleet in dict.fromkeys(call.storage.fleet for call in calls):
            fleet.waiting.put_back([call for call in calls if call.storage.fleet is fleet])

    def _finish(self, call: GivenCall, *, failed: bool = False) -> None:
        """The call has its outcome, or is not wanted."""
        self._stacks.drop(call.key)
        storage = call.storage
        storage.calls.forget(call.key)
        storage.unfinished -= 1
        self._unfinished -= 1
        storage.failed = storage.failed or failed
        if not storage.unfinished:
            self._clean_up(storage)

    def _clean_up(self, storage: Storage) -> None:
        """Forget a file whose calls have all ended, and that gets no more."""
        if storage.calls.full and self._storages.pop(storage.bundle, None) is not None:
            self._resolver.finished(storage.bundle, keep=storage.failed)

    # Jobs come and go.

    def _limit(self) -> int:
        return min(self._max_jobs, self._cores if self._cores is not None else FIRST_JOBS)

    def _resize(self, fleet: Fleet, *, closing: bool) -> None:
        staying = [job for job in fleet.jobs.values() if not job.leaving]
        unfinished = len(fleet.waiting) + sum(len(job.calls) for job in staying)
        # A job makes a chunk of a size that the user has chosen alone; all other calls can be made at the same time.
        chunks = -(-len(fleet.waiting) // max(fleet.waiting.together, 1))
        wanted = min(chunks + sum(job.divisible for job in staying), self._limit())
        now = time.monotonic()
        # The calls that a job got ahead may take longer than those before: then they need jobs of their own.
        stuck = (next(iter(job.calls.values())) for job in staying if job.behind(now))
        storage = next(fleet.waiting.storages(), None) or next((call.storage for call in stuck), None)
        if storage is not None and len(staying) < wanted:
            self._submit(storage, wanted - len(staying))
        if unfinished >= len(staying):
            fleet.needless_since = None
        elif not fleet.waiting:
            fleet.needless_since = fleet.needless_since or now
            self._shrink(fleet, staying, needless=now - fleet.needless_since, at_once=closing and not unfinished)

    def _submit(self, storage: Storage, count: int) -> None:
        """Submit more jobs for the calls of *storage*; if the jobs' files cannot be written, try again later."""
        if time.monotonic() < self._no_room_until:
            return
        opened: list[Bundle] = []
        try:
            opened.extend(self._open(storage) for _ in range(count))  # extend() keeps the items before an error
        except OSError as error:
            self._has_no_room(error)
        if opened:
            self._submissions.add(opened)

    def _shrink(self, fleet: Fleet, staying: Sequence[WarmJob], *, needless: float, at_once: bool) -> None:
        """Let jobs go that are not needed: all of them *at_once*, or those that others wait for, or that do not run."""
        others_wait = self._others_wait(fleet)
        for job in staying:
            idle = job.bundle.job.state in (State.PENDING, State.IDLE)
            if at_once or (others_wait and job.free):
                self._dismiss(job)
            elif idle and needless > SPARE:
                self._remove(job)

    def _others_wait(self, fleet: Fleet) -> bool:
        """Whether other jobs of the session have waited for a slot for a while, or wait for room in the queue."""
        return self._submissions.full or any(bundle not in fleet.jobs for bundle in self._jobs.idle_for(SPARE))

    def _open(self, storage: Storage) -> Bundle:
        """Make the open bundle of a new job of the fleet of *storage*."""
        bundle = open_bundle(self._session, storage, self._next_bundle())
        assert bundle.line is not None
        job = WarmJob(bundle, bundle.line, bundle_secret(self._session.secret, bundle.key))
        storage.fleet.jobs[bundle] = self._warm[bundle] = self._of_directory[bundle.line] = job
        bundle.stacks = self._stacks
        self._resolver.takes(bundle)
        self._growth.watch_directory(bundle.line)
        return bundle

    def _dismiss(self, job: WarmJob) -> None:
        """Let a job without calls leave the queue."""
        if job.connection is None or not job.takes_calls:
            self._remove(job)
        else:
            job.leaving = True
            job.connection.say(kind="leave")
            self._send(job.connection)

    def _remove(self, job: WarmJob) -> None:
        self._take_back(job, list(job.calls))
        self.forget(job.bundle)
        self._jobs.advance(job.bundle, states.Unwanted(job.bundle.job.job_id or ""))

    def _refuse(self, job: WarmJob, error: ValueError) -> None:
        """Remove a job that wrote what no job writes. If that was the second job of its call, the call fails."""
        about = f"the job {job.bundle.job.job_id} was removed because of what it wrote: {error}"
        logger.warning("%s", about)
        call = next(iter(job.calls.values()), None)
        if call is not None and call.suspect:
            del job.calls[call.key]
            self._resolver.fail(job.bundle, OutcomeError(about), call.key)
            self._finish(call, failed=True)
        elif call is not None:
            call.suspect = True
        self._remove(job)

    def _lose(self, job: WarmJob) -> None:
        """What the job was given, its attempt will not make; but if it does, its outcomes count."""
        job.interrupted = None
        job.recalled = job.greeted = False
        job.lost.update(job.calls)
        self._take_back(job, list(job.calls))

    def _disconnect(self, job: WarmJob) -> None:
        if job.connection is not None:  # the job is not removed because of what was taken in
            self._growth.forget(job.connection.outcomes)
            job.connection.close()
            job.connection = None

    # For the watcher.

    def forget(self, bundle: Bundle) -> None:
        """The job of an open bundle is not wanted any more."""
        job = self._warm.pop(bundle, None)
        if job is None:
            return
        for call in job.calls.values():
            self._finish(call, failed=True)
        job.calls.clear()
        self._disconnect(job)
        for fleet in self._fleets.values():
            fleet.jobs.pop(bundle, None)
        self._of_directory.pop(job.directory, None)
        self._growth.forget(job.directory)

    def interrupted(self, bundle: Bundle) -> None:
        """The job of an open bundle lost its slot, perhaps a while ago: its present attempt may be a later one.

        It is given no further calls, until it is known whether it goes on. If it is not removed or held next, other
        jobs make its calls.
        """
        job = self._warm.get(bundle)
        if job is not None:
            job.interrupted = time.monotonic()

    def told_status(self, bundle: Bundle, *, runs: bool) -> None:
        """The job of an open bundle lost its slot, and now it *runs* again, or waits for another slot."""
        job = self._warm.get(bundle)
        if job is None or job.interrupted is None:
            return
        if runs:
            # What is connected is its present attempt, or the one before. Then the calls are taken back when the
            # present one begins its files.
            job.interrupted = None
        else:
            self._lose(job)

    def ended(self, bundle: Bundle, cause: states.Event) -> None:
        """The job of an open bundle has ended, and all that it wrote is here."""
        job = self._warm.get(bundle)
        if job is None:
            return
        job.leaving = True
        self._read(job, new=True, over=True)  # nothing has told yet of an attempt that has just begun
        # What did not get through the line came back as a file.
        self._resolver.deliver_rest(bundle, lambda calls: self._post(lambda: self._settle(job, cause, calls)))

    def _settle(self, job: WarmJob, cause: states.Event, delivered: Sequence[str]) -> None:
        if job.bundle not in self._warm:
            return  # meanwhile, all its calls have failed
        for key in delivered:
            if key in job.calls:
                self._finish(job.calls.pop(key))
        match cause:
            case states.Terminated(_, exit_status=0):
                pass  # it makes all calls that it has begun, before it leaves
            case states.Terminated(_, exit_status=status) if status == NO_LINE and not self._met:
                self._give_up()
            case states.Terminated(_, exit_status=status) if (
                status == NO_LINE and self._without_line < MOST_WITHOUT_LINE
            ):
                # Some machines of the pool do not allow Chirp; other jobs of the session use it.
                self._without_line += 1
            case _ if job.calls:
                # It makes its calls in their order: it was at the first that has no outcome.
                self._blame(job, next(iter(job.calls)), cause)
            case _ if not job.met:
                fleet = next(fleet for fleet in self._fleets.values() if job.bundle in fleet.jobs)
                for call in fleet.waiting.take(1):
                    self._assign(job, [call])
                    self._blame(job, call.key, cause)
        self._take_back(job, list(job.calls))
        self.forget(job.bundle)

    def _blame(self, job: WarmJob, key: str, cause: states.Event) -> None:
        """The call fails with what ended the job."""
        call = job.calls.pop(key)
        self._resolver.fail_with(job.bundle, key, cause)
        self._finish(call, failed=True)

    def _give_up(self) -> None:
        """The line cannot be used: have all calls made by jobs of their own."""
        logger.warning(
            "warm jobs are not possible here, so each bundle gets a job of its own: %s",
            "the job could not reach the session's directory on the access point",
        )
        self._obstacle = "jobs cannot reach the session's directory on the access point through Chirp"
        for storage in list(self._storages.values()):
            self._submit_closed(storage, storage.fleet.waiting.take_all(storage))

    def _submit_closed(self, storage: Storage, calls: Sequence[GivenCall]) -> None:
        """Have *calls* of *storage* made by jobs of their own."""
        size = chunk_size(storage, calls)
        parts: list[Bundle] = []
        for start in range(0, len(calls), size):
            try:
                with writing_calls(self._session.directory):
                    parts.append(self._part(storage, calls[start : start + size]))
            except (PayloadError, ValueError) as error:
                self._fail(calls[start : start + size], error)
        # A client that attaches must not find the calls twice. If this client is killed before the note, the files of
        # the parts count, because they are newer.
        moved = [call for part in parts for call in calls if call.future.bundle is part]
        self._note(cancelled_of(storage.bundle.key), moved)
        for call in moved:
            self._finish(call)
        self._submissions.add(parts)

    def _part(self, storage: Storage, calls: Sequence[GivenCall]) -> Bundle:
        """Make a bundle of some calls of *storage* for a job of their own."""
        part = closed_bundle(self._session, storage, calls, self._next_bundle())
        self._resolver.takes(part)
        self._resolver.give(part, part.futures)
        return part

    def cancel(self, bundle: Bundle, key: str) -> bool:
        """Forget a call of *bundle*; False if it is not here."""
        job, storage = self._warm.get(bundle), self._storages.get(bundle)
        if job is not None:
            call = job.calls.get(key)
            if call is not None:
                self._resolver.forget(job.bundle, [key])
                self._stop(job, key)
        elif storage is not None:
            call = storage.fleet.waiting.remove(storage, key)
        else:
            return False
        if call is not None:
            self._note(cancelled_of(call.storage.bundle.key), [call])
            self._finish(call, failed=True)
        return True

    def ask_stack(self, bundle: Bundle, key: str) -> bool:
        """Ask the job of *bundle* for the stack of a call; False if the job does not have the call."""
        job = self._warm.get(bundle)
        if job is None or job.connection is None or key not in job.calls:
            return False
        job.connection.say(kind="stack", call=key)
        self._send(job.connection)
        return True

    def hand_all(self) -> None:
        """Give all calls to jobs, because the client leaves; without jobs that take calls, each bundle gets its own."""
        closed = 0
        for fleet in self._fleets.values():
            ready = [job for job in fleet.jobs.values() if job.takes_calls]
            for number, job in enumerate(ready):
                count = -(-len(fleet.waiting) // (len(ready) - number))
                if count:
                    self._give(fleet, job, fleet.waiting.take(count))
            for storage in list(fleet.waiting.storages()):
                # What exceeds the room in the queue waits for a client that attaches.
                calls = fleet.waiting.take_all(storage)
                count = max(self._max_jobs - len(self._jobs) - closed, 0) * chunk_size(storage, calls)
                self._submit_closed(storage, calls[:count])
                closed += -(-len(calls[:count]) // chunk_size(storage, calls))
                fleet.waiting.put_back(calls[count:])

    def withdraw(self) -> list[CondorFuture[Any]]:
        """Forget all calls that have not begun; return their futures."""
        futures: list[CondorFuture[Any]] = []
        for storage in list(self._storages.values()):
            calls = storage.fleet.waiting.take_all(storage)
            self._note(cancelled_of(storage.bundle.key), calls)
            futures += [call.future for call in calls]
            for call in calls:
                self._finish(call, failed=True)
        for job in self._warm.values():
            for call in list(job.calls.values())[1:]:
                futures.append(call.future)
                self.cancel(job.bundle, call.key)
        return futures

    def fail_waiting(self, error: Callable[[Bundle], BaseException], *, keep_calls: bool = False) -> None:
        """Fail all calls that no job has, and forget all others: the client ends.

        Args:
            error: returns the error of the calls that are stored in a bundle.
            keep_calls: a client that attaches makes the calls.

        """
        for storage in list(self._storages.values()):
            calls = storage.fleet.waiting.take_all(storage)
            if not keep_calls:
                self._note(cancelled_of(storage.bundle.key), calls)
            if calls:
                self._fail(calls, error(storage.bundle))
        for bundle in list(self._warm):
            self.forget(bundle)
        self._fleets.clear()
        self._storages.clear()
        self._unfinished = 0

    def close(self) -> None:
        """Close all files."""
        for bundle in list(self._warm):
            self.forget(bundle)
        self._growth.close()
        if self._given is not None:
            os.close(self._given)
