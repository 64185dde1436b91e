"""A DAG run on this machine, without HTCondor: the same payloads and the same runner, in the same order."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from condor_futures import states
from condor_futures.dag.graph import Graph, Node, NodeOptions, Sandbox
from condor_futures.dag.reports import Reports
from condor_futures.errors import CondorFuturesError, JobRemovedError

__all__ = ["LocalRun"]


@dataclass(frozen=True)
class _Result:
    """How a node ended: the exit status of each of its jobs, by bundle, and what DAGMan would say of its failure."""

    well: bool
    statuses: dict[str, int]
    details: str = ""


class LocalRun:
    """Runs what is left of a DAG, in the order of its edges."""

    def __init__(self, graph: Graph, max_workers: int) -> None:
        """Make it and start its thread."""
        self._graph = graph
        self._max_workers = max_workers
        self._reports = Reports(graph)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting = [node for node in graph.nodes if not node.reported]
        self._good = {id(node) for node in graph.nodes if node.reported}
        self._bad: set[int] = set()
        self._running: Counter[str | None] = Counter()
        self._stopped: CondorFuturesError | None = None
        # Not an Event: to set one takes an answer from all that wait for it, and a process that has left gives none.
        self._stop_heard, self._stop_said = multiprocessing.Pipe(duplex=False)
        self.ended: Future[None] = Future()
        """Done when it has ended."""
        self._thread = threading.Thread(target=self._run, name="condor_futures local DAG", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """It still runs."""
        return self._thread.is_alive()

    def cancel(self, future: Future[Any]) -> None:
        """Nothing: a call that is cancelled before its turn is not made, see :meth:`_start`."""

    def remove(self) -> None:
        """Start no more nodes, and end those that run."""

        def stop() -> None:
            self._stopped = JobRemovedError("the DAG was stopped before the call had ended")

        self._inbox.put(stop)  # before the jobs' ends get there
        self._stop_said.send_bytes(b"stop")  # which nobody takes out

    def join(self) -> None:
        """Wait until it has ended."""
        if threading.current_thread() is not self._thread and not self._reports.is_current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            with ProcessPoolExecutor(self._max_workers, initializer=_obey, initargs=(self._stop_heard,)) as pool:
                self._start(pool)
                while sum(self._running.values()):
                    self._inbox.get()()
                    with contextlib.suppress(queue.Empty):
                        while True:
                            self._inbox.get_nowait()()
                    self._start(pool)
        except BaseException as error:  # noqa: BLE001 - whatever it is, no future may be left pending
            self._stopped = CondorFuturesError(f"the DAG cannot be run here: {type(error).__name__}: {error}")
            self._stopped.__cause__ = error
        finally:
            failure = self._stopped or CondorFuturesError("the DAG has ended without this call")
            for node in self._graph.nodes:
                if not node.reported:
                    self._reports.stopped(node, failure)
            self._reports.close()
            self.ended.set_result(None)

    def _start(self, pool: ProcessPoolExecutor) -> None:
        """Start the nodes whose parents have ended well, as far as there is room for them and in their categories."""
        waiting, self._waiting = self._waiting, []
        for node in waiting:
            category = node.bundles[0].options.category
            limit = self._graph.categories.get(category or "")
            if self._stopped is not None or any(id(parent) in self._bad for parent in node.parents):
                self._end(node, self._stopped or CondorFuturesError("an ancestor failed"))
            elif all(future.cancelled() for bundle in node.bundles for future in bundle.futures.values()):
                self._end(node, CondorFuturesError("it was cancelled"))
            elif (
                sum(self._running.values()) >= self._max_workers
                or any(id(parent) not in self._good for parent in node.parents)
                or (limit is not None and self._running[category] >= limit)
            ):
                self._waiting.append(node)
            else:
                self._running[category] += 1
                for bundle in node.bundles:
                    for future in bundle.futures.values():
                        future._mark_running()
                running = pool.submit(_run_node, _Task.of(self._graph, node))
                running.add_done_callback(lambda done, node=node: self._inbox.put(lambda: self._ran(node, done)))  # type: ignore[misc]

    def _end(self, node: Node, error: CondorFuturesError) -> None:
        self._bad.add(id(node))
        self._reports.stopped(node, error)

    def _ran(self, node: Node, done: Future[_Result]) -> None:
        self._running[node.bundles[0].options.category] -= 1
        if (error := done.exception()) is not None:
            failure = CondorFuturesError(f"the node {node.key} cannot be run here: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._end(node, failure)
            return
        result = done.result()
        if self._stopped is not None and not result.well:
            self._end(node, self._stopped)
            return
        (self._good if result.well else self._bad).add(id(node))
        causes = {
            key: states.Terminated("local", signal=-status) if status < 0 else states.Terminated("local", status)
            for key, status in result.statuses.items()
        }
        self._reports.ran(node, well=result.well, causes=causes, details=result.details)


@dataclass(frozen=True)
class _Task:
    """What a process has to know to run a node."""

    session: Path
    runner: Path
    directory: Path
    keys: Sequence[str]
    parents: Sequence[str]
    options: NodeOptions
    sandbox: Sandbox

    @classmethod
    def of(cls, graph: Graph, node: Node) -> _Task:
        keys = [bundle.key for bundle in node.bundles]
        session, directory = graph.session, node.bundles[0].directory
        return cls(session.directory, session.runner, directory, keys, node.input_files, node.options, node.sandbox)


# In the processes of the pool.

_jobs: set[subprocess.Popen[bytes]] = set()
_stop: Connection


def _obey(stop: Connection) -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the client; when it says *stop*, end what runs."""
    global _stop  # noqa: PLW0603 - an initializer has no other way to leave something to the calls
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_jobs() -> None:
        stop.poll(None)
        for job in list(_jobs):
            job.terminate()

    threading.Thread(target=end_jobs, daemon=True).start()


def _execute(words: Sequence[str | Path], **options: Any) -> int:
    """Run a command to its end, or until all is to be stopped; gives its exit status, or minus a signal."""
    with subprocess.Popen(words, **options) as job:
        _jobs.add(job)
        if _stop.poll():
            job.terminate()
        status = job.wait()
    _jobs.discard(job)
    return status


def _run_node(task: _Task) -> _Result:
    """Run a node as DAGMan does: pre script, jobs, post script, and all again as often as there are retries."""
    result = _Result(well=False, statuses={})
    for attempt in range(task.options.retries + 1):
        if _stop.poll():
            break
        result = _attempt(task, attempt)
        if result.well:
            break
    return result


def _attempt(task: _Task, attempt: int) -> _Result:
    options = task.options
    macros = {"$MAX_RETRIES": options.retries, "$RETRY": attempt, "$NODE": task.keys[0], "$JOB": task.keys[0]}
    if options.pre_script and (status := _script(options.pre_script, macros, task.session)):
        return _Result(well=False, statuses={}, details=f"PRE script failed with status {status}")
    statuses = {key: _run_job(task, key) for key in task.keys}
    worst = next((status for status in statuses.values() if status), 0)
    if not options.post_script:
        return _Result(well=not worst, statuses=statuses, details=f"a job failed with status {worst}")
    status = _script(options.post_script, {**macros, "$RETURN": worst}, task.session)
    return _Result(well=not status, statuses=statuses, details=f"POST script failed with status {status}")


def _script(words: Sequence[str], macros: dict[str, object], directory: Path) -> int:
    replaced = [str(macros.get(word, word)) for word in words]
    return _execute(replaced, cwd=directory)


def _run_job(task: _Task, key: str) -> int:
    """Run one bundle as a job would, in a sandbox of its own; gives its exit status, or minus a signal."""
    at = task.directory
    with (
        tempfile.TemporaryDirectory(prefix="condor_futures-") as sandbox,
        (at / f"{key}.stdout").open("wb") as out,
        (at / f"{key}.stderr").open("wb") as err,
    ):
        for path in [at / f"{key}.calls", *(at / name for name in task.parents)]:
            (Path(sandbox) / path.name).symlink_to(path)
        for name in task.sandbox.files:
            _transfer(name, Path(sandbox))
        outcomes = f"{key}.outcomes"
        shutil.copy(at / outcomes, sandbox)
        environment = {**os.environ, **task.sandbox.variables(), "_CONDOR_SCRATCH_DIR": sandbox}
        status = _execute([task.runner, key], cwd=sandbox, env=environment, stdout=out, stderr=err)
        shutil.copy(Path(sandbox) / outcomes, at / f"{outcomes}.new")
        (at / f"{outcomes}.new").replace(at / outcomes)
    return status


def _transfer(name: str, sandbox: Path) -> None:
    """Copy what HTCondor would: of a directory whose name ends in a slash, what is in it."""
    if "://" in name:
        raise ValueError(f"{name} is for HTCondor to fetch; a run on this machine takes files and directories only")
    if Path(name).is_dir():
        shutil.copytree(name, sandbox if name.endswith("/") else sandbox / Path(name).name, dirs_exist_ok=True)
    else:
        shutil.copy2(name, sandbox)
