"""A DAG run on this machine, without HTCondor: the same payloads and the same runner, in the same order.

A job is a process anyway, so threads start the jobs and wait for them. It is long because it is one thing: what DAGMan,
schedd and starter do for a DAG.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from condor_futures.access_point.job_info import JobInfo
from condor_futures.calls.bundle import Bundle
from condor_futures.dag.graph import Graph, Node
from condor_futures.dag.reports import Reports
from condor_futures.dag.sandbox import Sandbox
from condor_futures.errors import CondorFuturesError, JobRemovedError
from condor_futures.ownership import Owner, owned
from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import NO_OUTPUT

__all__ = ["LocalRun"]

T = TypeVar("T")

#: Seconds from SIGTERM to SIGKILL.
GRACE = 10.0


@dataclass(frozen=True)
class _Result:
    """How a node ended: how each of its jobs did, by bundle, and what DAGMan would say of its failure."""

    well: bool
    ends: dict[str, states.Event]
    details: str = ""


@dataclass(eq=False)
class _Running:
    """A job or a script that runs, in a session of its own, so that a signal reaches all that it has started.

    A group would not do: the process that makes a job's calls has one of its own.
    """

    process: subprocess.Popen[bytes]
    wanted: Callable[[], bool]
    deadline: float | None = None  # when it is told again, once it was told to end

    def signal(self, number: int) -> None:
        for pid in _members(self.process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)


def _members(session: int) -> Iterator[int]:
    """The processes of a session, its leader first."""
    yield session
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            # pid (name) state ppid pgrp session ...; the name may have anything in it
            if path.read_text(errors="replace").rpartition(")")[2].split()[3] == str(session):
                pid = int(path.parent.name)
                if pid != session:
                    yield pid


@owned(methods=False)
class LocalRun:
    """Runs what is left of a DAG, in the order of its edges.

    It belongs to its thread, and so does what is known of the jobs; the threads that wait for jobs and scripts post to
    it what they see.
    """

    def __init__(self, graph: Graph, max_workers: int) -> None:
        """Make it and start its threads.

        Args:
            graph: whose nodes; those that are reported are left alone.
            max_workers: how many jobs may run at once, and how many nodes may be at work.

        """
        self._graph = graph
        self._max_workers = max_workers
        self._reports = Reports(graph)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting = [node for node in graph.nodes if not node.reported]
        self._good = {id(node) for node in graph.nodes if node.reported}
        self._bad: set[int] = set()
        self._at_work: Counter[str | None] = Counter()  # nodes, by category
        self._stopped: CondorFuturesError | None = None
        self._running: set[_Running] = set()
        self._lock = threading.Lock()  # of what runs
        jobs = sum(len(node.bundles) for node in self._waiting)
        self._nodes, self._jobs = _Workers(min(max_workers, len(self._waiting))), _Workers(min(max_workers, jobs))
        self.ended: Future[None] = Future()
        """Done when it has ended."""
        # Not Thread.join(): after one that Ctrl-C has interrupted, Python 3.11 takes the thread to have ended.
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="condor_futures local DAG", daemon=True)
        self._owner = Owner("the thread of the run on this machine")
        self._owner.takes(self)
        bundles = [bundle for node in graph.nodes for bundle in node.bundles]
        self._owner.takes(*bundles, part="follower")
        self._reports.owner.takes(*bundles, part="resolver")
        atexit.register(self._at_exit)
        self._thread.start()

    # What other threads call.

    @property
    def alive(self) -> bool:
        """It still runs."""
        return not self._over.is_set()

    def cancel(self, _: Future[Any]) -> None:
        """When nobody wants any call of its job any more, end the job, or do not start it."""
        self._inbox.put(_look)

    def remove(self) -> None:
        """Start no more nodes, and end those that run."""

        def stop() -> None:
            self._stopped = JobRemovedError("the DAG was stopped before the call had ended")

        self._inbox.put(stop)  # before the jobs' ends get there

    def leave(self) -> None:
        """End it: nobody else goes on with it."""
        self.remove()

    def jobs(self, *, why: bool) -> list[JobInfo]:  # noqa: ARG002 - as Follower has it
        """None of it is in any queue."""
        return []

    def join(self) -> None:
        """Wait until it has ended."""
        if threading.current_thread() is not self._thread and not self._reports.is_current_thread():
            self._over.wait()

    def _at_exit(self) -> None:
        """Wait for the end, as the standard library's executors do; not after Ctrl-C, which no job hears of."""
        if not self._thread.is_alive():
            return  # in a forked child
        if getattr(sys, "last_type", None) is not KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                self._over.wait()
        self.remove()
        self._over.wait()

    # The thread.

    def _run(self) -> None:
        with self._owner.at_work():
            self._go()

    def _go(self) -> None:
        try:
            self._start()
            while sum(self._at_work.values()):
                self._receive()
                self._end_unwanted()
                self._start()
        except BaseException as error:  # noqa: BLE001 - whatever it is, no future may be left pending
            self._stopped = CondorFuturesError(f"the DAG cannot be run here: {type(error).__name__}: {error}")
            self._stopped.__cause__ = error
            with self._lock:
                for running in self._running:
                    running.signal(signal.SIGKILL)  # nobody is there to look again
        finally:
            failure = self._stopped or CondorFuturesError("the DAG has ended without this call")
            for node in self._graph.nodes:
                if not node.reported:
                    self._reports.stopped(node, failure)
            self._reports.close()
            self._nodes.close()
            self._jobs.close()
            atexit.unregister(self._at_exit)
            self.ended.set_result(None)
            self._over.set()

    def _receive(self) -> None:
        with self._lock:
            deadlines = [running.deadline for running in self._running if running.deadline is not None]
        with contextlib.suppress(queue.Empty):
            self._inbox.get(timeout=max(min(deadlines) - time.monotonic(), 0.0) if deadlines else None)()
            while True:
                self._inbox.get_nowait()()

    def _end_unwanted(self) -> None:
        """Tell what nobody wants any more to end, and kill it if it does not."""
        now = time.monotonic()
        with self._lock:
            for running in self._running:
                if not running.wanted() and (running.deadline is None or now >= running.deadline):
                    running.signal(signal.SIGTERM if running.deadline is None else signal.SIGKILL)
                    running.deadline = now + GRACE

    def _start(self) -> None:
        """Start the nodes whose parents have ended well, as far as there is room for them and in their categories."""
        waiting, self._waiting = self._waiting, []
        for node in waiting:
            category = node.bundles[0].options.category
            limit = self._graph.categories.get(category or "")
            if self._stopped is not None or any(id(parent) in self._bad for parent in node.parents):
                self._end(node, self._stopped or CondorFuturesError("an ancestor failed"))
            elif not _are_wanted(node.bundles):
                self._end(node, CondorFuturesError("it was cancelled"))
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

    # The threads of nodes and of jobs.

    def _run_node(self, node: Node) -> _Result:
        """Run a node as DAGMan does: pre script, jobs, post script, and all again as often as there are retries."""
        result = _Result(well=False, ends={})
        for attempt in range(node.options.retries + 1):
            result = self._attempt(node, attempt)
            if result.well or self._stopped is not None or not _are_wanted(node.bundles):
                break
        return result

    def _attempt(self, node: Node, attempt: int) -> _Result:
        options = node.options
        macros = {"$MAX_RETRIES": options.retries, "$RETRY": attempt, "$NODE": node.key, "$JOB": node.key}
        if options.pre_script and (status := self._script(options.pre_script, macros)):
            return _Result(well=False, ends={}, details=f"PRE script failed with status {status}")
        jobs = {
            bundle.key: self._jobs.do(functools.partial(self._run_job, node, bundle, node.sandbox_of(number, attempt)))
            for number, bundle in enumerate(node.bundles)
        }
        wait(jobs.values())  # also if one of them raises
        ends = {key: job.result() for key, job in jobs.items()}
        worst = next((status for status in map(_status, ends.values()) if status), 0)
        if not options.post_script:
            return _Result(well=not worst, ends=ends, details=f"a job failed with status {worst}")
        status = self._script(options.post_script, {**macros, "$RETURN": worst})
        return _Result(well=not status, ends=ends, details=f"POST script failed with status {status}")

    def _script(self, words: Sequence[str], macros: dict[str, object]) -> int:
        replaced = [str(macros.get(word.upper(), word)) for word in words]
        return self._execute(replaced, lambda: self._stopped is None, cwd=self._graph.session.directory)

    def _run_job(self, node: Node, bundle: Bundle, finds: Sandbox) -> states.Event:
        """Run one bundle as a job would, in a sandbox of its own; gives how it ended."""
        at, key, targets = bundle.directory, bundle.key, finds.targets()
        for name in (*finds.files, *targets.values()):
            if "://" in name:
                raise ValueError(
                    f"{name} is for HTCondor to transfer; a run on this machine takes files and directories"
                )
        with (
            _sandbox() as sandbox,
            (at / f"{key}.stdout").open("wb") as out,
            (at / f"{key}.stderr").open("wb") as err,
        ):
            for path in [at / f"{key}.calls", *(at / name for name in node.input_files)]:
                (sandbox / path.name).symlink_to(path)
            for name in finds.files:
                _transfer(name, sandbox)
            outcomes = f"{key}.outcomes"
            shutil.copy(at / outcomes, sandbox)
            status = self._execute(
                [self._graph.session.runner, key],
                lambda: self._stopped is None and _are_wanted([bundle]),
                calls=bundle,
                cwd=sandbox,
                env={**os.environ, **finds.variables(), "_CONDOR_SCRATCH_DIR": str(sandbox)},
                stdout=out,
                stderr=err,
            )
            self._tell(bundle, state=states.State.COMPLETED)
            try:
                for name, target in targets.items():
                    _transfer(os.path.join(sandbox, name), at, target)  # noqa: PTH118 - which keeps a slash at its end
            except OSError as error:
                if status == 0:  # or else it is no wonder
                    reason = f"an output file cannot be brought back: {error}"
                    return states.Held("local", NO_OUTPUT, error.errno or 0, reason)
            shutil.copy(sandbox / outcomes, at / f"{outcomes}.new")
            (at / f"{outcomes}.new").replace(at / outcomes)
        return states.Terminated("local", signal=-status) if status < 0 else states.Terminated("local", status)

    def _tell(self, bundle: Bundle, **news: Any) -> None:
        """Have the thread of the run know this of the job of *bundle*, before it learns how the job's node ended."""

        def know() -> None:
            bundle.job = replace(bundle.job, **news)

        self._inbox.put(know)

    def _execute(
        self, words: Sequence[str | Path], wanted: Callable[[], bool], *, calls: Bundle | None = None, **options: Any
    ) -> int:
        """Run a command to its end, or for as long as it is *wanted*; gives its exit status, or minus a signal.

        With *calls* it is their job: when that ends, what it has started ends too, as under HTCondor.
        """
        if not wanted():
            return -signal.SIGTERM
        if calls:
            self._tell(calls, state=states.State.RUNNING, host=os.uname().nodename)
            for future in calls.futures.values():
                future.mark_running()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True, **options)
        running = _Running(process, wanted)
        with self._lock:
            self._running.add(running)
        self._inbox.put(_look)  # it may have become unwanted while it was started
        with contextlib.suppress(ChildProcessError):  # in a program that ignores SIGCHLD
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            # As long as its status is not taken, its number is no other's.
            if calls or not wanted():
                running.signal(signal.SIGKILL)
        with self._lock:
            self._running.discard(running)
        return process.wait()


class _Workers:
    """Threads that do what they are given. All are started at once: a Python that ends (3.12) starts no more."""

    def __init__(self, count: int) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._count = count
        for _ in range(count):
            threading.Thread(target=self._run, name="condor_futures local worker", daemon=True).start()

    def do(self, work: Callable[[], T]) -> Future[T]:
        """Do it when a thread is free."""
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is told to who asked for it
                future.set_exception(error)

        self._work.put(do)
        return future

    def close(self) -> None:
        """End them once all is done."""
        for _ in range(self._count):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _status(end: states.Event) -> int:
    """As DAGMan sees it."""
    if not isinstance(end, states.Terminated):
        return -signal.SIGTERM  # removed, as a job on hold is
    return end.exit_status or -(end.signal or 0)


def _look() -> None:
    """What wakes the thread up, to look at what is wanted."""


def _are_wanted(bundles: Sequence[Bundle]) -> bool:
    """Not all that is left to call was cancelled; in a cluster that is made again, a job may have nothing left."""
    futures = [future for bundle in bundles for future in bundle.futures.values()]
    return not futures or not all(future.cancelled() for future in futures)


@contextlib.contextmanager
def _sandbox() -> Iterator[Path]:
    """A directory for a job; a TemporaryDirectory would be removed by any forked child of the program that ends."""
    path = Path(tempfile.mkdtemp(prefix="condor_futures-"))
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            for place, _, _ in os.walk(path):
                Path(place).chmod(0o700)  # a job may have left some that cannot be written to
        shutil.rmtree(path, ignore_errors=True)


def _transfer(name: str, directory: Path, target: str = "") -> None:
    """Copy what HTCondor would, under its own name or as *target*; of a directory with a slash at its end, what is in
    it.
    """
    to = directory / (target or Path(name).name)
    if Path(name).is_dir():
        shutil.copytree(name, directory if name.endswith("/") and not target else to, dirs_exist_ok=True)
    else:
        shutil.copy2(name, to)
