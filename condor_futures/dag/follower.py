"""The thread that follows a DAG while DAGMan runs it. It reads the files that DAGMan and the schedd write.

Three files have nearly everything. The job event log of the nodes says which jobs run where and which have ended. The
job event log of the DAGMan job says whether DAGMan is still running. The node status file has DAGMan's verdicts; only
they distinguish a failure that DAGMan will retry from a final one.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import classad2

from condor_futures.access_point.backoff import AGAIN, Pause
from condor_futures.access_point.emptying import wait_until_gone
from condor_futures.access_point.job_info import JobInfo, query_jobs
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.bundle import Bundle
from condor_futures.dag.dagman import Dagman
from condor_futures.dag.graph import Graph, Node
from condor_futures.dag.reports import Reports
from condor_futures.errors import AccessPointError, CondorFuturesError
from condor_futures.files.private_files import PATIENCE
from condor_futures.ownership import Owner, owned
from condor_futures.resolving import failures
from condor_futures.session.event_log import EventLog
from condor_futures.state_machine import states
from condor_futures.state_machine.transitions import IllegalTransition
from condor_futures.watching.live_jobs import LiveJobs
from condor_futures.watching.queue_looks import QueueLooks

__all__ = ["SCHEDULER_UNIVERSE", "Follower"]

logger = logging.getLogger(__name__)

#: Seconds between two reads of the files. DAGMan itself reads its log every 1 (personal pool) or 5 seconds.
POLL = 0.1
#: Seconds that the jobs of a DAG may take to leave the queue after DAGMan has ended.
LEAVE = 20.0

#: The universe of the DAGMan job.
SCHEDULER_UNIVERSE = 7

# NodeStatus, as DAGMan numbers it (node.h).
_DONE, _ERROR, _FUTILE = 5, 6, 7


@owned(methods=False)
class Follower:
    """Follows one run of a DAG until DAGMan has ended.

    It belongs to its thread, and so do the states of the nodes' jobs. Other threads call methods that post to this
    thread.
    """

    def __init__(self, graph: Graph, access_point: AccessPoint | None, job_id: str | None) -> None:
        """Make it and start its thread.

        Args:
            graph: the graph; the follower ignores nodes whose calls all have values.
            access_point: the connected access point, which the follower closes at the end; None if DAGMan has ended.
            job_id: the DAGMan job; None for the last job in its log.

        """
        self._graph = graph
        self._access_point = access_point
        self._reports = Reports(graph)
        self._dagman = Dagman(graph.files, job_id)
        self._nodes_log: EventLog | None = None
        self._nodes_log_size = 0
        self._status_stamp = 0
        self._troubled_since: float | None = None
        self._by_bundle = {bundle.key: (node, bundle) for node in graph.nodes for bundle in node.bundles}
        self._causes: dict[str, states.Event] = {}
        self._begun: dict[str, Bundle] = {}
        self._to_remove: set[str] = set()
        self._removing: set[str] = set()
        self._pause = Pause(AGAIN)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._left = False
        if access_point is not None:
            access_point.deliver = self._inbox.put
        #: The jobs in the queue by job id: the DAGMan job and the nodes' jobs.
        self._jobs = LiveJobs(self)
        self._queue_looks: QueueLooks | None = None
        if access_point is not None and self._dagman.job_id is not None:
            self._jobs.put(self._dagman.job_id, self._dagman.bundle)
            self._queue_looks = QueueLooks(access_point, graph.session.constraint, self._jobs, self)
        #: Done when the run has ended.
        self.ended: Future[None] = Future()
        self._owner = Owner("the thread of the DAG's follower")
        self._owner.takes(self)
        bundles = [bundle for node in graph.nodes for bundle in node.bundles]
        self._owner.takes(*bundles, self._dagman.bundle, part="follower")
        self._owner.takes(self._reports, part="run")
        self._reports.owner.takes(*bundles, part="resolver")
        self._thread = threading.Thread(target=self._run, name="condor_futures DAG follower", daemon=True)
        self._thread.start()

    # Methods for other threads.

    @property
    def job_id(self) -> str | None:
        """The id of the DAGMan job."""
        return self._dagman.job_id

    @property
    def alive(self) -> bool:
        """Whether the thread is still following the DAG."""
        return self._thread.is_alive()

    def cancel(self, future: Future[Any]) -> None:
        """Remove the job of *future*, which was cancelled, if all futures of the job are cancelled."""
        key = future.bundle.key  # type: ignore[attr-defined]
        self._inbox.put(lambda: self._remove_if_unwanted(key))

    def remove(self) -> None:
        """Remove the DAGMan job, and thereby the jobs of all nodes."""
        self._inbox.put(lambda: self._to_remove.update(filter(None, [self.job_id])))

    def jobs(self, *, why: bool) -> list[JobInfo]:
        """Return the nodes' jobs in the queue; with *why*, also the reason why idle jobs are idle.

        Raises:
            AccessPointError: the access point does not answer.

        """
        if self._access_point is None:
            return []  # DAGMan had already ended when this follower was made
        constraint = f"{self._graph.session.constraint} && JobUniverse != {SCHEDULER_UNIVERSE}"
        try:
            return query_jobs(self._access_point, constraint, why=why)
        except AccessPointError:
            self._thread.join(10)
            if self.alive:
                raise
            return []  # the run has ended in the meantime, and its jobs have left the queue

    def leave(self) -> None:
        """Stop following the run; DAGMan continues."""
        self._inbox.put(self._leave)

    def join(self) -> None:
        """Wait until the run has ended; in a thread of this run, return at once."""
        if threading.current_thread() is not self._thread and not self._reports.is_current_thread():
            self._thread.join()

    # The thread of the follower.

    def _run(self) -> None:
        with self._owner.at_work():
            self._follow()

    def _follow(self) -> None:
        try:
            while not self._left:
                if (end := self._read()) is not None:
                    self._finish(end)
                    return
                self._remove()
                if self._queue_looks is not None:
                    self._queue_looks.look()
                self._receive()
        except BaseException as error:  # whatever the error is, no future may stay pending
            logger.exception("the follower of the DAG %s failed; its calls fail too", self._graph.name)
            failure = CondorFuturesError(f"the follower of the DAG failed: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._stop(failure)
        finally:
            self._reports.close()
            self._dagman.close()
            if self._nodes_log is not None:
                self._nodes_log.close()
            if self._access_point is not None:
                self._access_point.close()
            self.ended.set_result(None)

    def _read(self) -> states.Event | None:
        """Read and handle new lines of the files; return the event that ended DAGMan, or None."""
        try:
            # The order matters: each step uses the results of the step before. If DAGMan has ended, all further lines
            # are final.
            self._read_dagman_log()
            end = self._dagman.end
            verdicts = self._read_status(ended=end is not None)
            self._read_nodes_log()
        except OSError:
            # Too many files are open, or a file server is unreachable. The DAG continues.
            self._troubled_since = self._troubled_since or time.monotonic()
            if time.monotonic() - self._troubled_since > PATIENCE:
                raise
            self._status_stamp = 0  # the verdicts in the file have not been handled
            return None
        self._troubled_since = None
        self._judge(verdicts)
        return end

    def _receive(self) -> None:
        try:
            self._inbox.get(timeout=POLL)()
            while True:
                self._inbox.get_nowait()()
        except queue.Empty:
            pass

    def _leave(self) -> None:
        self._left = True

    # Events.

    def read_log(self) -> None:
        """Handle the new events of the logs before the state of the queue."""
        self._read_dagman_log()
        self._read_nodes_log()

    def _read_dagman_log(self) -> None:
        self._note_events(self._dagman.read())

    def _note_events(self, new: bool) -> None:
        if new and self._queue_looks is not None:
            self._queue_looks.log_speaks = True

    def handle(self, event: states.Event) -> None:
        """Handle an event of DAGMan or of a node's job that the queue has and the logs do not have."""
        if event.job_id == self._dagman.job_id:
            self._dagman.handle(event)
        else:
            self._handle(event)

    def _read_nodes_log(self) -> None:
        path = self._graph.files.nodes_log
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return
        if size < self._nodes_log_size and self._nodes_log is not None:
            self._nodes_log.close()  # DAGMan has started a new log
            self._nodes_log = None
        self._nodes_log_size = size
        if self._nodes_log is None:
            self._nodes_log = EventLog(path)
        events = self._nodes_log.read()
        for event in events:
            self._handle(event)
        begun, self._begun = self._begun, {}
        for job_id, bundle in begun.items():
            if job_id in self._jobs:  # if the log was read again, the job may have ended since
                self._reports.begun(bundle)
        self._note_events(bool(events))

    def _handle(self, event: states.Event) -> None:
        if isinstance(event, states.Submitted) and event.bundle in self._by_bundle:
            _, submitted = self._by_bundle[event.bundle]
            # Each attempt is a new job. Its submit description says what happens when it is held (see writer).
            submitted.job = states.Job(event.bundle, spooled=False, policy=states.HoldPolicy("wait"))
            self._jobs.put(event.job_id, submitted)
            self._begun[event.job_id] = submitted
        bundle = self._jobs.get(event.job_id)
        if bundle is None or bundle is self._dagman.bundle:
            return
        self._jobs.advance(bundle, event)
        if isinstance(event, states.Submitted):
            self._remove_if_unwanted(bundle.key)

    # For LiveJobs.

    def perform(self, bundle: Bundle, effect: states.Effect) -> None:
        """Carry out *effect*, an effect of an event of the job of *bundle*."""
        match effect:
            case states.Remove():
                self._to_remove.add(bundle.job.job_id or "")
            case states.Report(cause):
                self._causes[bundle.key] = cause
                # The outcomes of a held or removed job do not count. A post script may reject the other outcomes.
                if isinstance(cause, states.Terminated) and not self._by_bundle[bundle.key][0].options.post_script:
                    self._reports.values(bundle)
            case _:  # the job is not spooled, and DAGMan handles its holds, so there is no other effect
                logger.error("bundle %s: %s", bundle.key, effect)
                self._give_up(bundle, NotImplementedError(effect))

    def advanced(self, bundle: Bundle, before: states.Job) -> None:
        """If the job was removed while it was on hold, record the hold as the cause of its failure."""
        was_held = before.state is states.State.HELD and bundle.job.state is states.State.ENDED
        removed = isinstance(self._causes.get(bundle.key), states.Aborted | states.Gone)
        if was_held and removed and before.hold is not None:
            self._causes[bundle.key] = before.hold

    def illegal(self, bundle: Bundle, error: IllegalTransition) -> None:
        """Stop following this job, and fail its node."""
        self._jobs.drop(error.event.job_id)
        self._give_up(bundle, error)

    def unknown(self, event: states.Event) -> None:
        """Ignore an event of a job that has ended."""

    def _give_up(self, bundle: Bundle, error: Exception) -> None:
        self._jobs.drop(bundle.job.job_id or "")
        node, _ = self._by_bundle[bundle.key]
        self._reports.stopped(node, failures.bug(error))

    def _remove_if_unwanted(self, key: str) -> None:
        _, bundle = self._by_bundle[key]
        live = bundle.job.state in (states.State.IDLE, states.State.RUNNING, states.State.HELD)
        if live and bundle.futures and all(future.cancelled() for future in bundle.futures.values()):
            self._to_remove.add(bundle.job.job_id or "")

    def _remove(self) -> None:
        self._to_remove -= self._removing
        usable = self._access_point is not None and self._access_point.usable
        if not self._to_remove or not usable or self._pause.left():
            return
        assert self._access_point is not None
        jobs, self._to_remove = sorted(self._to_remove), set()
        self._removing.update(jobs)

        def answer(_: Any, error: AccessPointError | None) -> None:
            if error is None:
                self._pause.succeeded()
            else:
                logger.warning("%d jobs could not be removed: %s", len(jobs), error)
                self._not_removed(jobs)

        Schedd(self._access_point).remove(jobs).send(answer)

    def _not_removed(self, jobs: Sequence[str]) -> None:
        self._removing.difference_update(jobs)
        self._to_remove.update(jobs)
        self._pause.failed()

    # The verdicts of DAGMan.

    def _read_status(self, *, ended: bool) -> dict[str, Any]:
        """Return the ads of the nodes by name, if DAGMan has written new ones."""
        files = self._graph.files
        try:
            stamp = files.status.stat().st_mtime_ns
            # A file that is older than the lock is from an earlier run.
            if stamp == self._status_stamp or (not ended and stamp < files.lock.stat().st_mtime_ns):
                return {}
            text = files.status.read_text()
        except FileNotFoundError:
            return {}
        self._status_stamp = stamp
        ads = classad2.parseAds(text, classad2.ParserType.New)
        return {str(ad["Node"]): ad for ad in ads if ad.get("Type") == "NodeStatus"}

    def _judge(self, verdicts: dict[str, Any]) -> None:
        if not verdicts:
            return
        for node in self._graph.nodes:
            ad = verdicts.get(node.key)
            if ad is None or self._reports.is_reported(node):
                continue
            status, details = ad["NodeStatus"], str(ad.get("StatusDetails", ""))
            # A cluster is in error as soon as one of its jobs has failed. When DAGMan exits, the details of nodes that
            # it has not finished begin with "Was STATUS_".
            failed = status == _ERROR and not ad.get("JobProcsQueued") and not details.startswith("Was STATUS_")
            if status == _DONE or failed:
                self._reports.ran(node, well=status == _DONE, causes=self._causes, details=details)
            elif status == _FUTILE:
                why = _failed_ancestor(node, verdicts)
                self._reports.stopped(node, CondorFuturesError(f"DAGMan did not run the node: {why}"))

    # The end of DAGMan.

    def _finish(self, end: states.Event) -> None:
        self._stop(self._dagman.why(end))
        if self._access_point is not None and not isinstance(end, states.Held):
            try:
                # HTCondor would restart an evicted DAGMan again and again, so it must be removed.
                remove_after = 0.0 if isinstance(end, states.Evicted) else math.inf
                wait_until_gone(self._access_point, self._graph.session.constraint, LEAVE, remove_after=remove_after)
            except AccessPointError as error:
                logger.warning("jobs of the DAG %s may be left in the queue: %s", self._graph.name, error)

    def _stop(self, error: CondorFuturesError) -> None:
        for node in self._graph.nodes:
            if not self._reports.is_reported(node):
                self._reports.stopped(node, error)


def _failed_ancestor(node: Node, verdicts: dict[str, Any]) -> str:
    """Return which ancestor of *node* failed, with DAGMan's details."""
    left, seen = list(node.parents), {parent.key for parent in node.parents}
    while left:
        ancestor = left.pop()
        ad = verdicts.get(ancestor.key)
        if ad is not None and ad["NodeStatus"] == _ERROR:
            return f"its ancestor {ancestor.key} failed: {ad.get('StatusDetails', '')}".rstrip(": ")
        left += [parent for parent in ancestor.parents if parent.key not in seen]
        seen.update(parent.key for parent in ancestor.parents)
    return "an ancestor failed"
