"""A run of a DAG on this machine, without HTCondor: with the same files of calls, the same runner and the same order.

Each job is a process, so threads start the jobs and wait for them (see :mod:`condor_futures.dag.local_jobs`).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import queue
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from condor_futures.access_point.job_info import JobInfo
from condor_futures.dag.graph import Graph, Node
from condor_futures.dag.local_jobs import LocalJobs, are_wanted, look
from condor_futures.dag.reports import Reports
from condor_futures.dag.sandbox import Sandbox
from condor_futures.dag.workers import Workers
from condor_futures.errors import CondorFuturesError, JobRemovedError
from condor_futures.ownership import Owner, owned
from condor_futures.state_machine import states

__all__ = ["LocalRun"]


@dataclass(frozen=True)
class _Result:
    """How a node ended: the end of each job, by bundle key, and a description of the failure like DAGMan's."""

    well: bool
    ends: dict[str, states.Event]
    details: str = ""


@owned(methods=False)
class LocalRun:
    """Runs the nodes of a DAG whose calls have no values yet, parents before children.

    It belongs to its thread, and so do the states of the jobs. The threads that wait for jobs and scripts post to this
    thread.
    """

    def __init__(self, graph: Graph, max_workers: int) -> None:
        """Make it and start its threads.

        Args:
            graph: the graph; nodes whose calls all have values do not run.
            max_workers: the number of jobs that may run at once, and the number of nodes that may be active at once.

        """
        self._graph = graph
        self._max_workers = max_workers
        self._reports = Reports(graph)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting = [node for node in graph.nodes if not self._reports.is_reported(node)]
        self._good = {id(node) for node in graph.nodes if self._reports.is_reported(node)}
        self._bad: set[int] = set()
        self._at_work: Counter[str | None] = Counter()  # nodes, by category
        self._stopped: CondorFuturesError | None = None
        self._local_jobs = LocalJobs(graph.session, lambda: self._stopped is None, self._inbox.put)
        jobs = sum(len(node.bundles) for node in self._waiting)
        self._nodes, self._jobs = Workers(min(max_workers, len(self._waiting))), Workers(min(max_workers, jobs))
        self.ended: Future[None] = Future()
        """Done when the run has ended."""
        # Not Thread.join(): if Ctrl-C interrupts it, Python 3.11 assumes that the thread has ended.
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="condor_futures local DAG", daemon=True)
        self._owner = Owner("the thread of the run on this machine")
        self._owner.takes(self)
        bundles = [bundle for node in graph.nodes for bundle in node.bundles]
        self._owner.takes(*bundles, part="follower")
        self._owner.takes(self._reports, part="run")
        self._reports.owner.takes(*bundles, part="resolver")
        atexit.register(self._at_exit)
        self._thread.start()

    # Methods for other threads.

    @property
    def alive(self) -> bool:
        """Whether the run has not ended."""
        return not self._over.is_set()

    def cancel(self, _: Future[Any]) -> None:
        """If all futures of a job are cancelled, end the job, or do not start it."""
        self._inbox.put(look)

    def remove(self) -> None:
        """Start no more nodes, and end the running nodes."""

        def stop() -> None:
            self._stopped = JobRemovedError("the DAG was stopped before the call had ended")

        self._inbox.put(stop)  # before the ends of the jobs arrive

    def leave(self) -> None:
        """End the run, because nothing else can continue it."""
        self.remove()

    def jobs(self, *, why: bool) -> list[JobInfo]:  # noqa: ARG002 - part of the protocol Run
        """Return no jobs, because none is in a queue."""
        return []

    def join(self) -> None:
        """Wait until the run has ended; in a thread of this run, return at once."""
        if threading.current_thread() is not self._thread and not self._reports.is_current_thread():
            self._over.wait()

    def _at_exit(self) -> None:
        """Wait for the end, as the standard library's executors do; after Ctrl-C, which jobs do not get, end it."""
        if not self._thread.is_alive():
            return  # this is a forked child
        if getattr(sys, "last_type", None) is not KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                self._over.wait()
        self.remove()
        self._over.wait()

    # The thread of the run.

    def _run(self) -> None:
        with self._owner.at_work():
            self._go()

    def _go(self) -> None:
        try:
            self._start()
            while sum(self._at_work.values()):
                self._receive()
                self._local_jobs.end_unwanted()
                self._start()
        except BaseException as error:  # noqa: BLE001 - whatever the error is, no future may stay pending
            self._stopped = CondorFuturesError(f"the DAG cannot be run here: {type(error).__name__}: {error}")
            self._stopped.__cause__ = error
            self._local_jobs.kill()  # this thread will not check the jobs again
        finally:
            failure = self._stopped or CondorFuturesError("the run has ended without this call")
            for node in self._graph.nodes:
                if not self._reports.is_reported(node):
                    self._reports.stopped(node, failure)
            self._reports.close()
            self._nodes.close()
            self._jobs.close()
            atexit.unregister(self._at_exit)
            self.ended.set_result(None)
            self._over.set()

    def _receive(self) -> None:
        deadline = self._local_jobs.deadline
        with contextlib.suppress(queue.Empty):
            self._inbox.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.0))()
            while True:
                self._inbox.get_nowait()()

    def _start(self) -> None:
        """Start the nodes whose parents have succeeded, within the limits for all nodes and for each category."""
        waiting, self._waiting = self._waiting, []
        for node in waiting:
            category = node.bundles[0].options.category
            limit = self._graph.categories.get(category or "")
            if self._stopped is not None or any(id(parent) in self._bad for parent in node.parents):
                self._end(node, self._stopped or CondorFuturesError("an ancestor failed"))
            elif not are_wanted(node.bundles):
                self._end(node, CondorFuturesError("the call was cancelled"))
            elif (
                sum(self._at_work.values()) >= self._max_workers
                or any(id(parent) not in self._good for parent in node.parents)
                or (limit is not None and self._at_work[category] >= limit)
            ):
                self._waiting.append(node)
            else:
                self._at_work[category] += 1
                at_work = self._nodes.do(functools.partial(self._run_node, node))
                at_work.add_done_callback(lambda done, node=node: self._inbox.put(lambda: self._ran(node, done)))  # type: ignore[misc]

    def _end(self, node: Node, error: CondorFuturesError) -> None:
        self._bad.add(id(node))
        self._reports.stopped(node, error)

    def _ran(self, node: Node, done: Future[_Result]) -> None:
        self._at_work[node.bundles[0].options.category] -= 1
        error = done.exception()
        if self._stopped is not None and (error is not None or not done.result().well):
            self._end(node, self._stopped)
            return
        if error is not None:
            failure = CondorFuturesError(f"the node {node.key} cannot be run here: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._end(node, failure)
            return
        result = done.result()
        (self._good if result.well else self._bad).add(id(node))
        self._reports.ran(node, well=result.well, causes=result.ends, details=result.details)

    # The threads of the nodes and of the jobs.

    def _run_node(self, node: Node) -> _Result:
        """Run a node as DAGMan does: pre script, jobs, post script; then retry the node as its options allow."""
        result = _Result(well=False, ends={})
        for attempt in range(node.options.retries + 1):
            result = self._attempt(node, attempt)
            if result.well or self._stopped is not None or not are_wanted(node.bundles):
                break
        return result

    def _attempt(self, node: Node, attempt: int) -> _Result:
        options = node.options
        macros = {"$MAX_RETRIES": options.retries, "$RETRY": attempt, "$NODE": node.key, "$JOB": node.key}
        if options.pre_script and (status := self._script(options.pre_script, macros)):
            return _Result(well=False, ends={}, details=f"PRE script failed with status {status}")
        jobs = {
            bundle.key: self._jobs.do(
                functools.partial(
                    self._local_jobs.run_job,
                    bundle,
                    [*node.input_files, *node.shared_files],
                    Sandbox.of_job(node, number, attempt),
                )
            )
            for number, bundle in enumerate(node.bundles)
        }
        wait(jobs.values())  # even if one of them raises an exception
        ends = {key: job.result() for key, job in jobs.items()}
        worst = next((status for status in map(_status, ends.values()) if status), 0)
        if not options.post_script:
            return _Result(well=not worst, ends=ends, details=f"a job failed with status {worst}")
        status = self._script(options.post_script, {**macros, "$RETURN": worst})
        return _Result(well=not status, ends=ends, details=f"POST script failed with status {status}")

    def _script(self, words: Sequence[str], macros: dict[str, object]) -> int:
        return self._local_jobs.run_script([str(macros.get(word.upper(), word)) for word in words])


def _status(end: states.Event) -> int:
    """Return the status of a job as DAGMan counts it."""
    if not isinstance(end, states.Terminated):
        return -signal.SIGTERM  # the job counts as removed, because DAGMan's jobs on hold are removed
    return end.exit_status or -(end.signal or 0)
