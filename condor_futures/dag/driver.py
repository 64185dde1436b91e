"""What a DagExecutor shares with the executors derived from it: the graph, and the run of the graph."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from condor_futures.access_point.choosing import Place
from condor_futures.access_point.emptying import wait_until_gone
from condor_futures.access_point.job_info import JobInfo
from condor_futures.access_point.requests import AccessPoint
from condor_futures.access_point.schedd import Schedd
from condor_futures.calls.code import CodePacker
from condor_futures.calls.repeats import Repeats
from condor_futures.dag.checks import warn_of_old_dagman
from condor_futures.dag.dag_future import DagFuture
from condor_futures.dag.dagman import Dagman
from condor_futures.dag.follower import SCHEDULER_UNIVERSE, Follower
from condor_futures.dag.graph import Graph
from condor_futures.dag.local import LocalRun
from condor_futures.dag.reports import Reports
from condor_futures.dag.run import Run
from condor_futures.errors import CondorFuturesError
from condor_futures.files.process_lock import SessionLock
from condor_futures.future import CondorFuture
from condor_futures.state_machine import states

__all__ = ["Driver"]


class Driver:
    """One DAG, from its first node to the end of its last run.

    It belongs to the threads that call the executor; a done callback may call the executor too. Tests do not assert
    this, because these threads hold no lock.
    """

    def __init__(self, graph: Graph, dagman: Mapping[str, object]) -> None:
        """Use *graph*: an empty graph, or a loaded one, which :meth:`resume` then follows or completes."""
        self.graph = graph
        self.packer = CodePacker(graph.session)
        self.repeats = Repeats()
        self.dagman = dagman
        self.sealed = False
        """The DAG has been run or attached to, so that it cannot get more nodes."""
        self.shut_down = False
        self._run: Run | None = None
        self._place: Place | None = None
        self._lock = SessionLock(graph.files.local_lock)

    def future(self, key: str) -> CondorFuture[Any]:
        """Return a future for the call *key*."""
        future: CondorFuture[Any] = DagFuture(key, self.cancel, self.check_started)
        future.name = self.graph.names.get(key)
        return future

    def check_open(self) -> None:
        """Raise RuntimeError, as the standard library's executors do, if the DAG takes no more calls."""
        if self.shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self.sealed:
            raise RuntimeError("this DAG has been run, so it takes no more calls; make another DAG")

    def check_started(self) -> None:
        """Raise RuntimeError if nothing runs the DAG, so that a wait for a future would never end."""
        if self._run is None and not self.shut_down:
            raise RuntimeError(
                "the DAG is not running yet, so this wait would never end; call run(), "
                "or attach() once the DAG has been submitted"
            )

    def cancel(self, future: CondorFuture[Any]) -> None:
        """Tell the run that *future* was cancelled."""
        if self._run is not None:
            self._run.cancel(future)

    # Running.

    def resume(self) -> None:
        """Give the calls futures, and follow DAGMan's last run, if there was one, to its end.

        If DAGMan has never run, all values in the directory are from a run on this machine.

        Raises:
            CondorFuturesError: another process runs the DAG without HTCondor; only futures of that process end.

        """
        self._check_unlocked(CondorFuturesError)
        self.graph.renew(self.future)
        self._seal()
        dagman = Dagman(self.graph.files)
        dagman.read()
        dagman.close()
        if dagman.job_id is not None:
            in_queue = dagman.end is None or isinstance(
                dagman.end, states.Evicted
            )  # an evicted DAGMan is to be removed
            self._run = Follower(self.graph, self._connect() if in_queue else None, dagman.job_id)
            if dagman.end is not None:
                self._run.join()  # the end is known, and the remaining calls can be run at once
            return
        reports = Reports(self.graph)
        for node in self.graph.nodes:
            for bundle in node.bundles:
                reports.values(bundle)
        reports.close()

    def start(self, *, local: bool) -> None:
        """Start to make the calls that have no value, if there are any; the DAG has been written.

        Raises:
            AccessPointError: the access point does not answer, or refuses.
            RuntimeError: the DAG is running, here or elsewhere, or :meth:`shutdown` was called.

        """
        if self.shut_down:
            raise RuntimeError("cannot run the DAG after shutdown; attach to it instead")
        if self._run is not None:
            if self._run.alive and not all(future.done() for future in self.graph.futures.values()):
                raise RuntimeError("the DAG is running")
            self._run.join()  # the run is waiting until the last jobs have left the queue
        if self.sealed and self.graph.complete:
            return  # after a success there is no rescue DAG, and DAGMan would start from the beginning
        if local:
            self._start_local()
            return
        self._check_unlocked(RuntimeError)
        self.graph.check_place()
        helper = self._connect()
        try:
            job_id = self._submit(helper)
        except BaseException:
            helper.close()
            raise
        self._begin()
        self._run = Follower(self.graph, helper, job_id)

    def _start_local(self) -> None:
        self._check_unlocked(RuntimeError)
        if not self._lock.held and not self._lock.acquire():
            raise RuntimeError("the DAG is running")  # another process has just locked it
        with contextlib.suppress(CondorFuturesError):  # the process that made the DAG still holds the session
            self.graph.session.take_up(0.0)
        try:
            self._begin()
            run = self._run = LocalRun(self.graph, self.graph.max_workers or os.cpu_count() or 1)
        except BaseException:
            self._lock.release()
            raise
        run.ended.add_done_callback(lambda _: self._local_ended(run))

    def _local_ended(self, run: LocalRun) -> None:
        if self._run is run or not isinstance(self._run, LocalRun):  # a done callback may have started another run
            self._lock.release()

    def _check_unlocked(self, error: type[Exception]) -> None:
        """Raise *error* while another client runs the DAG without HTCondor, because both would write the same files."""
        if not self._lock.held and (holder := self._lock.holder) is not None:
            where = "this process" if holder == os.getpid() else f"the process {holder}"
            raise error(f"{where} is running the DAG by run(local=True); attach to the DAG when that run has ended")

    def _begin(self) -> None:
        if self.sealed:
            self.graph.renew(self.future)
        self._seal()

    def _seal(self) -> None:
        self.sealed = True
        limits = f"this DAG has been run; change the MAXJOBS lines in {self.graph.files.dag} instead"
        self.graph.categories.seal(limits)

    def _connect(self) -> AccessPoint:
        session = self.graph.session
        if self._place is None:
            self._place = Place.find(self.graph.access_point, session.settings.get("schedd"))
            if self._place.owner is not None:
                session.give_to(self._place.owner)
        helper = AccessPoint(self._place.location)
        about = helper.connect()
        if any(len(node.bundles) > 1 for node in self.graph.nodes):
            warn_of_old_dagman(about["CondorVersion"])
        return helper

    def _submit(self, helper: AccessPoint) -> str:
        graph = self.graph
        constraint = graph.session.constraint
        ads = Schedd(helper).query(constraint, ["ClusterId", "ProcId", "JobUniverse"]).wait(60.0)
        dagman = [ad for ad in ads if ad["JobUniverse"] == SCHEDULER_UNIVERSE]
        if dagman:
            raise RuntimeError(
                f"the DAGMan job {dagman[0]['ClusterId']}.0 is already running the DAG; attach to the DAG"
            )
        wait_until_gone(helper, constraint, 30.0)  # the jobs of the next run write the same files
        files = graph.files
        # Files of the previous run, which must not be mistaken for files of this run.
        for path in (files.nodes_log, files.status):
            path.unlink(missing_ok=True)
        # Without a run whose end is known, the values are from a run on this machine, in another process.
        graph.add_to_rescue(judged=self._run is not None)
        graph.session.keep(schedd=helper.location.schedd)
        request = Schedd(helper).submit_dag(
            dag=str(files.dag),
            # Without a rescue DAG, condor_submit_dag would refuse to overwrite the files of an earlier run.
            options={} if files.rescue else {"Force": True},
            commands={"initialdir": str(files.directory)},
            batch=f"{constraint} && JobUniverse == {SCHEDULER_UNIVERSE}",
        )
        submitted = request.wait(120.0)  # if jobs at this site have a Kerberos ticket, the ticket is stored first
        return f"{submitted['cluster']}.0"

    # The end.

    def shutdown(self, *, wait: bool, remove: bool) -> None:
        """Take no more calls. With *remove*, remove the DAGMan job; with *wait*, wait until the run has ended."""
        self.shut_down = True
        place, self._place = self._place, None

        def leave(_: object = None) -> None:
            self.graph.session.leave()
            if place is not None:
                place.leave()

        if self._run is None:
            self._give_up()
            leave()
            return
        if remove:
            self._run.remove()
        self._run.ended.add_done_callback(leave)
        if wait:
            self._run.join()

    def detach(self) -> None:
        """Stop following the run; DAGMan continues."""
        run, self._run = self._run, None
        if run is not None:
            run.leave()
            run.join()
        self.shutdown(wait=False, remove=False)

    def jobs(self, *, why: bool) -> list[JobInfo]:
        """Return the nodes' jobs in the queue; no jobs if no run is followed."""
        return self._run.jobs(why=why) if self._run is not None else []

    def _give_up(self) -> None:
        for future in self.graph.futures.values():
            future.disconnect()
            future.cancel()
