"""The resolver of a DAG: it resolves values at once, and failures when a node has finally failed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.dag.dagman import submit_error
from condor_futures.dag.graph import Graph, Node
from condor_futures.errors import CondorFuturesError, JobError
from condor_futures.ownership import changes
from condor_futures.resolving import failures
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.resolver import Resolver
from condor_futures.state_machine import states

__all__ = ["Reports"]


class Reports(Resolver):
    """Resolves the futures of a DAG's nodes, in the order of the requests.

    The record of which nodes have been reported belongs to the thread of the run. That thread alone calls :meth:`ran`
    and :meth:`stopped`.
    """

    def __init__(self, graph: Graph) -> None:
        """Make it and start its thread. Nodes whose calls all have values count as reported."""
        super().__init__(graph.session, Counts(), lambda *_: None)
        self._graph = graph
        self._reported = {node for node in graph.nodes if graph.has_values(node)}
        self.start()

    def is_reported(self, node: Node) -> bool:
        """Return whether the futures of *node* have been resolved, or a request to resolve them has been made."""
        return node in self._reported

    def values(self, bundle: Bundle) -> None:
        """Resolve the calls of *bundle* that have a value; the run may retry failed calls."""
        self._surely(bundle, lambda: self._values(bundle))

    def begun(self, bundle: Bundle) -> None:
        """Record that a job of *bundle* starts; it may be a retry, which overwrites the output."""
        self._work.put(lambda: bundle.overwritten(list(bundle.stream_ranges)))

    @changes("run")
    def ran(self, node: Node, *, well: bool, causes: Mapping[str, states.Event], details: str = "") -> None:
        """Resolve all futures of *node*, which has run for the last time.

        Args:
            node: the node.
            well: whether DAGMan counts the node as successful.
            causes: the events that ended its jobs, by the keys of their bundles.
            details: DAGMan's description of the failure.

        """
        self._reported.add(node)
        ends = [causes.get(bundle.key) for bundle in node.bundles]
        # If no job failed, a script or the submission failed.
        otherwise = not well and all(
            end is None or (isinstance(end, states.Terminated) and end.exit_status == 0) for end in ends
        )
        more = self._more(node, details) if otherwise else ""
        for bundle, end in zip(node.bundles, ends, strict=True):
            job_id = bundle.job.job_id
            if otherwise:
                if not any(ends) and not node.options.post_script:  # which may have rejected the outcomes
                    self.values(bundle)  # the values are from another run, on this machine
                self.fail(bundle, JobError(f"the node {node.key} of the DAG failed: {details}{more}", job_id=job_id))
            elif isinstance(end, states.Held):
                self._surely(bundle, lambda bundle=bundle, end=end: self._held(bundle, end))  # type: ignore[misc]
            else:
                self.report(bundle, states.Report(end or states.Gone(job_id or "")))

    def _more(self, node: Node, details: str) -> str:
        """Return more about the failure, from DAGMan's own log, than *details* has."""
        files = self._graph.files
        reason = submit_error(files, node.key) if "submit failed" in details else ""
        hint = f"; see {files.dagman_out}" if files.dagman_out.exists() else ""
        return (f": {reason}" if reason else "") + hint

    @changes("run")
    def stopped(self, node: Node, error: CondorFuturesError) -> None:
        """Resolve all futures of *node*, which will not run, or not to its end.

        The futures fail because of the failure of a parent, or else with *error*.
        """
        self._reported.add(node)
        for bundle in node.bundles:
            self.values(bundle)
            self._surely(bundle, lambda bundle=bundle: self._stopped(node, bundle, error))  # type: ignore[misc]

    def _values(self, bundle: Bundle) -> None:
        session = self._session
        outcomes, _ = read_outcomes(bundle.path("outcomes"), session=session.id, secret=session.secret)
        good = {key: outcome for key, outcome in outcomes.items() if outcome.result == "value"}
        futures = bundle.futures
        bundle.futures = {key: future for key, future in futures.items() if key not in good}
        # Also for calls that were resolved before, because another attempt has written to the same files.
        bundle.wrote({key: outcome.stream_ranges for key, outcome in good.items()})
        for key, future in futures.items():
            if key in good:
                self._resolve(future, *failures.value_or_error(good[key], bundle.job.job_id))

    def _held(self, bundle: Bundle, hold: states.Held) -> None:
        session = self._session
        outcomes, _ = read_outcomes(bundle.path("outcomes"), session=session.id, secret=session.secret)
        if outcomes.keys() >= bundle.futures.keys():
            # All calls were made, but something else, such as an output file, could not be transferred.
            self._fail_rest(bundle, failures.missing(bundle, hold, None, ""))
        else:
            self._report(bundle, hold)

    def _stopped(self, node: Node, bundle: Bundle, error: CondorFuturesError) -> None:
        cause = self._cause(node)
        for call, future in bundle.futures.items():
            if cause is not None and bundle.job.job_id is None:
                self._fail_call(bundle, call, cause)
            else:
                self._resolve(future, None, error)
        bundle.futures = {}

    def _cause(self, node: Node) -> BaseException | None:
        """Return the error of a parent of *node*, or None; the parents were resolved before."""
        for parent in node.parents:
            for call in parent.calls:
                future = self._graph.futures[call]
                if future.cancelled():
                    return CancelledError()
                if future.done() and (error := future.exception()) is not None:
                    return error
        return None
