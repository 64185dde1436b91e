"""Warm jobs: which there are, which calls they are given, and when they leave.

It is long because one table says where each call is: waiting, or given to a job that may lose it.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import writing_calls
from condor_futures.calls.lines import Attempt
from condor_futures.calls.stored_calls import StoredCalls, bundle_secret
from condor_futures.errors import OutcomeError, PayloadError
from condor_futures.files.attempts import find_attempts
from condor_futures.files.growth import Growth
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.options.warm import closed_because
from condor_futures.ownership import owned, reads
from condor_futures.resolving.resolver import Resolver
from condor_futures.session.session import Session
from condor_futures.state_machine import states
from condor_futures.state_machine.states import Job, State
from condor_futures.watching.connections import Connection
from condor_futures.watching.fleet import STUCK, Fleet, Storage, WaitingCall, WarmJob
from condor_futures.watching.live_jobs import LiveJobs

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
#: The exit status of a job that could not use the line.
NO_LINE: Final = 5
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

        """
        self._session = session
        self._jobs = jobs
        self._submissions = submissions
        self._resolver = resolver
        self._post = post
        self._next_bundle = next_bundle
        self._ask_cores = ask_cores
        self._max_jobs = max_jobs
        self._fleets: dict[Hashable, Fleet] = {}
        self._calls: dict[str, WaitingCall] = {}
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
        return not self._calls

    @reads
    def bundles(self) -> list[Bundle]:
        """Those whose calls are here, and the open ones whose jobs have ended, but perhaps not their calls."""
        return [*self._storages, *(bundle for bundle in list(self._warm) if bundle.job.state is State.ENDED)]

    # Calls come.

    def takes(self, bundle: Bundle) -> bool:
        """Whether the calls of *bundle* are made by warm jobs."""
        if bundle.places:
            return True  # some of its calls have been made, or are being made
        return self.why_not(bundle.options) is None

    @reads
    def why_not(self, options: Options) -> str | None:
        """Return why calls with these *options* are not made by warm jobs; None if they are, as far as is known."""
        if not options.warm:
            return "warm is 0"
        return closed_because(options) or self._obstacle

    def add(self, bundle: Bundle) -> None:
        """Have the calls of *bundle* made. A call whose file cannot be read fails."""
        if not self._asked:
            self._asked = True
            self._ask_cores(self._told_cores)
        try:
            stored = StoredCalls(bundle.path("calls"))
        except (OSError, ValueError, StopIteration) as error:
            self._resolver.fail(bundle, error)
            return
        fleet = self._fleets.setdefault((bundle.options.key, stored.kind), Fleet())
        over = {*bundle.cancelled, *bundle.places}
        wanted = [call for call in stored.calls if call in bundle.futures and call not in over]
        storage = self._storages[bundle] = Storage(bundle, stored, set(wanted))
        calls = {key: WaitingCall(key, bundle.futures[key], storage, fleet) for key in wanted}
        self._calls.update(calls)
        fleet.waiting.add(calls.values())
        self._active = time.monotonic()

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
        self._growth.watch_directory(bundle.line)
        job.attempts.update(find_attempts(bundle.line))
        if last is None:
            return
        job.met = self._met = True
        try:
            job.connection = Connection(bundle.line, last.name, job.secret, last.position)
        except OSError as error:
            logger.warning("the job %s cannot be given calls: %s", bundle.job.job_id, error)
            return
        bundle.attempt = job.connection.path
        self._growth.watch_file(job.connection.outcomes)
        for key in last.calls:
            call = self._calls.get(key)
            if call is None or call.job is not None:
                continue  # it was cancelled
            call.fleet.waiting.remove(call)
            call.job = job
            job.calls[key] = call
            call.future.bundle = bundle
            call.future.mark_running()
            self._resolver.move(call.storage.bundle, bundle, [key])
        self._changed.add(bundle.line)

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
                self._disconnect(job)
            if job.connection is not None and job.connection.behind and time.monotonic() >= self._no_room_until:
                self._send(job.connection)
        for fleet in self._fleets.values():
            if fleet.waiting:
                self._hand_out(fleet)
            self._recall(fleet)
            self._resize(fleet, closing=closing)

    # Between the client and one job.

    def _read(self, job: WarmJob, *, new: bool) -> None:
        if job.connection is not None:
            self._take_in(job, job.connection)
        if not new:
            return
        for name in find_attempts(job.directory):
            if name in job.attempts:
                continue
            job.attempts.add(name)
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
                elif (call := job.calls.pop(str(header.get("call")), None)) is not None:
                    job.heard = self._active
                    ended.append((call.key, start))
                    call.fleet.learn(header)
                    self._finish(call)
        except OSError as error:
            logger.warning("the job %s is removed: %s", job.bundle.job.job_id, error)
            self._remove(job)
        except ValueError as error:
            self._refuse(job, error)
        if ended:
            self._resolver.deliver(job.bundle, connection.outcomes, ended)

    def _hear(self, job: WarmJob, header: Header) -> None:
        """Do what follows from a frame that is not an outcome. The job wrote it as it liked."""
        match header:
            case {"kind": "hello"}:
                job.met = self._met = True
                self._without_line = 0
            case {"kind": "returned", "calls": list(keys)}:
                job.recalled = False
                job.leaving = job.leaving or bool(header.get("leaving"))
                given = dict.fromkeys(key for key in keys if isinstance(key, str) and key in job.calls)  # once each
                self._take_back(job, list(given))
            case {"kind": "report", "call": str(key)} if key in job.calls:
                job.calls[key].future.set_progress(header.get("fraction"), header.get("text"))
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
            if calls := fleet.waiting.take(room):
                self._give(job, calls)

    def _give(self, job: WarmJob, calls: Sequence[WaitingCall]) -> None:
        assert job.connection is not None
        if not self._note(job.bundle.key, calls):
            calls[0].fleet.waiting.put_back(calls)
            return
        for storage, group in itertools.groupby(calls, lambda call: call.storage):
            given = list(group)
            keys = [call.key for call in given]
            try:
                job.connection.hand_out(storage.calls, keys)
            except (OSError, ValueError) as error:
                for call in given:
                    self._resolver.fail(storage.bundle, error, call.key)
                    self._finish(call, failed=True)
                continue
            for call in given:
                call.job = job
                job.calls[call.key] = call
                call.future.bundle = job.bundle
                call.future.mark_running()
            self._resolver.move(storage.bundle, job.bundle, keys)
        job.heard = self._active = time.monotonic()
        self._send(job.connection)

    def _send(self, connection: Connection) -> None:
        if not connection.send():
            self._no_room_until = time.monotonic() + NO_ROOM

    def _note(self, bundle: str, calls: Sequence[WaitingCall]) -> bool:
        """Note where no job can write which calls a job is given; return whether that was possible.

        A client that attaches believes outcomes of these calls only.
        """
        try:
            if self._given is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._given = os.open(self._session.given, flags, 0o600)
            line = f"{bundle} {' '.join(call.key for call in calls)}\n".encode()
            while line:
                line = line[os.write(self._given, line) :]
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
        for fleet in {call.fleet for call in calls}:
            fleet.waiting.put_back([call for call in calls if call.fleet is fleet])
        for storage, group in itertools.groupby(calls, lambda call: call.storage):
            moved = list(group)
            for call in moved:
                call.job = None
                call.future.bundle = storage.bundle
            self._resolver.move(job.bundle, storage.bundle, [call.key for call in moved])

    def _finish(self, call: WaitingCall, *, failed: bool = False) -> None:
        """The call has its outcome, or is not wanted."""
        self._calls.pop(call.key, None)
        storage = call.storage
        storage.unfinished.discard(call.key)
        storage.failed = storage.failed or failed
        if not storage.unfinished and self._storages.pop(storage.bundle, None) is not None:
            self._resolver.finished(storage.bundle, keep=storage.failed)

    # Jobs come and go.

    def _limit(self) -> int:
        return min(self._max_jobs, self._cores if self._cores is not None else FIRST_JOBS)

    def _resize(self, fleet: Fleet, *, closing: bool) -> None:
        staying = [job for job in fleet.jobs.values() if not job.leaving]
        unfinished = len(fleet.waiting) + sum(len(job.calls) for job in staying)
        wanted = min(unfinished, self._limit())
        now = time.monotonic()
        # The calls that a job got ahead may take longer than those before: then they need jobs of their own.
        stuck = (next(iter(job.calls.values())) for job in staying if job.behind(now))
        call = fleet.waiting.first or next(stuck, None)
        if call is not None and len(staying) < wanted:
            self._submit(fleet, call, wanted - len(staying))
        if unfinished >= len(staying):
            fleet.needless_since = None
        elif not fleet.waiting:
            fleet.needless_since = fleet.needless_since or now
            self._shrink(fleet, staying, needless=now - fleet.needless_since, at_once=closing and not unfinished)

    def _submit(self, fleet: Fleet, call: WaitingCall, count: int) -> None:
        """Submit more jobs that make such calls as *call*; if their files cannot be written, that is tried again."""
        if time.monotonic() < self._no_room_until:
            return
        opened: list[Bundle] = []
        try:
            opened.extend(self._open(call, fleet) for _ in range(count))  # extend() keeps the items before an error
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

    def _open(self, call: WaitingCall, fleet: Fleet) -> Bundle:
        """Make the open bundle of a new job of *fleet*."""
        session, options = self._session, replace(call.storage.bundle.options, open=True)
        number = self._next_bundle()
        key = Session.bundle_key(number)
        directory = session.line_directory(key)
        bundle = Bundle(
            key,
            session.bundle_directory(number),
            options,
            {},
            Job(key, options.spool, policy=options.on_hold.policy),
            line=directory,
        )
        line = {"directory": str(directory), "warm": options.warm, "lifetime": options.warm_lifetime}
        try:
            if not options.spool:
                session.copy_runner(directory)
            with session.create_file(bundle.path("calls")) as file:
                call.storage.calls.write_open(file, key, options.record(), line)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        job = WarmJob(bundle, directory, bundle_secret(session.secret, key))
        fleet.jobs[bundle] = self._warm[bundle] = self._of_directory[directory] = job
        self._resolver.takes(bundle)
        self._growth.watch_directory(directory)
        return bundle

    def _dismiss(self, job: WarmJob) -> None:
        """Let a job without calls leave the queue."""
        if job.connection is None:
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

    def _disconnect(self, job: WarmJob) -> None:
        """What the job was given, it will not make: it begins anew, or is gone."""
        self._close(job)
        job.interrupted = None
        self._take_back(job, list(job.calls))

    def _close(self, job: WarmJob) -> None:
        if job.connection is not None:
            self._take_in(job, job.connection)
        if job.connection is not None:  # the job is not removed because of what was taken in
            self._growth.forget(job.connection.outcomes)
            job.connection.close()
            job.connection = None
            job.recalled = False

    # For the watcher.

    def forget(self, bundle: Bundle) -> None:
        """The job of an open bundle is not wanted any more."""
        job = self._warm.pop(bundle, None)
        if job is None:
            return
        if job.connection is not None:
            self._growth.forget(job.connection.outcomes)
            job.connection.close()
            job.connection = None
        for fleet in self._fleets.values():
            fleet.jobs.pop(bundle, None)
        self._of_directory.pop(job.directory, None)
        self._growth.forget(job.directory)

    def interrupted(self, bundle: Bundle) -> None:
        """The job of an open bundle lost its slot. If it is not removed or held next, other jobs make its calls."""
        job = self._warm.get(bundle)
        if job is not None:
            self._close(job)
            job.interrupted = time.monotonic()

    def runs_again(self, bundle: Bundle) -> None:
        """The job of an open bundle lost its slot, and is neither removed nor on hold."""
        job = self._warm.get(bundle)
        if job is not None and job.interrupted is not None:
            self._disconnect(job)

    def ended(self, bundle: Bundle, cause: states.Event) -> None:
        """The job of an open bundle has ended, and all that it wrote is here."""
        job = self._warm.get(bundle)
        if job is None:
            return
        job.leaving = True
        if job.connection is not None:
            self._take_in(job, job.connection)
        # What did not get through the line came back as a file.
        self._resolver.deliver_rest(bundle, lambda calls: self._post(lambda: self._settle(job, cause, calls)))

    def _settle(self, job: WarmJob, cause: states.Event, delivered: Sequence[str]) -> None:
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
                    job.calls[call.key] = call
                    call.future.bundle = job.bundle
                    self._resolver.move(call.storage.bundle, job.bundle, [call.key])
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
        for fleet in self._fleets.values():
            fleet.waiting.clear()
        for storage in list(self._storages.values()):
            self._submit_closed(storage)  # no job has made any of its calls

    def _submit_closed(self, storage: Storage) -> None:
        """Have the calls of *storage* made by jobs of their own."""
        parts: list[Bundle] = []
        try:
            with writing_calls(self._session.directory):
                parts.extend(self._parts(storage))  # extend() keeps the items before an error
        except (PayloadError, ValueError) as error:
            self._resolver.fail(storage.bundle, error)
        for key in storage.unfinished:
            del self._calls[key]
        del self._storages[storage.bundle]
        self._submissions.add(parts)

    def _parts(self, storage: Storage) -> Iterator[Bundle]:
        """Make the bundles of the calls of *storage* for jobs of their own."""
        whole, size = storage.bundle, storage.calls.head.get("chunk", 0)
        calls = [call for call in storage.calls.calls if call in storage.unfinished]
        if not size or len(calls) <= size:
            yield whole
            return
        for start in range(0, len(calls), size):
            keys = calls[start : start + size]
            number = self._next_bundle()
            key = Session.bundle_key(number)
            directory = self._session.bundle_directory(number)
            futures = {call: self._calls[call].future for call in keys}
            part = Bundle(key, directory, whole.options, futures, replace(whole.job, bundle=key))
            with self._session.create_file(part.path("calls")) as file:
                storage.calls.write_part(file, key, keys)
            self._resolver.takes(part)
            self._resolver.move(whole, part, keys)
            yield part
        whole.cancel_calls()  # a client that attaches must not find the calls twice
        self._resolver.finished(whole, keep=True)

    def cancel(self, key: str) -> bool:
        """Forget a call; False if it is not here."""
        call = self._calls.get(key)
        if call is None:
            return False
        job = call.job
        if job is not None:
            job.calls.pop(key, None)
            self._resolver.forget(job.bundle, key)
            if job.connection is not None:
                job.connection.say(kind="cancel", call=key)
                self._send(job.connection)
        else:
            call.fleet.waiting.remove(call)
        call.storage.bundle.forget(key)
        self._finish(call, failed=True)
        if not call.storage.unfinished and len(call.storage.bundle.cancelled) == len(call.storage.calls.calls):
            call.storage.bundle.cancel_calls()
        return True

    def failed(self, bundle: Bundle) -> None:
        """The calls of an open bundle have failed, all of them."""
        job = self._warm.get(bundle)
        if job is not None:
            for call in list(job.calls.values()):
                self._finish(call, failed=True)
            self.forget(bundle)

    def hand_all(self) -> None:
        """Give all calls to jobs, because the client leaves; without jobs that take calls, each bundle gets its own."""
        for fleet in self._fleets.values():
            ready = [job for job in fleet.jobs.values() if job.takes_calls]
            for number, job in enumerate(ready):
                count = -(-len(fleet.waiting) // (len(ready) - number))
                if count:
                    self._give(job, fleet.waiting.take(count))
            for storage in dict.fromkeys(call.storage for call in fleet.waiting):
                if len(storage.unfinished) == len(storage.calls.calls):
                    for call in [call for call in fleet.waiting if call.storage is storage]:
                        fleet.waiting.remove(call)
                    self._submit_closed(storage)

    def withdraw(self) -> list[CondorFuture[Any]]:
        """Forget all calls that have not begun; return their futures."""
        calls = [call for fleet in self._fleets.values() for call in fleet.waiting]
        for job in self._warm.values():
            calls += list(job.calls.values())[1:]
        for call in calls:
            self.cancel(call.key)
        return [call.future for call in calls]

    def clear(self) -> None:
        """No call is wanted any more."""
        for bundle in list(self._warm):
            self.forget(bundle)
        self._fleets.clear()
        self._calls.clear()
        self._storages.clear()

    def close(self) -> None:
        """Close all files."""
        self.clear()
        self._growth.close()
        if self._given is not None:
            os.close(self._given)
