"""The resolver of a DAG: values at once, failures once a node has failed for good."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.dag.dagman import submit_error
from condor_futures.dag.graph import Graph, Node
from condor_futures.errors import CondorFuturesError, JobError
from condor_futures.resolving import failures
from condor_futures.resolving.counts import Counts
from condor_futures.resolving.resolver import Resolver
from condor_futures.state_machine import states

__all__ = ["Reports"]


class Reports(Resolver):
    """Resolves the futures of a DAG's nodes, in the order in which it is told of them."""

    def __init__(self, graph: Graph) -> None:
        """Make it and start its thread."""
        super().__init__(graph.session, Counts(), lambda *_: None)
        self._graph = graph
        self.start()

    def values(self, bundle: Bundle) -> None:
        """Resolve the calls of *bundle* that have a value; what failed may be tried again."""
        self._surely(bundle, lambda: self._values(bundle))

    def begun(self, bundle: Bundle) -> None:
        """The job of *bundle* begins, perhaps not for the first time."""
        self._work.put(lambda: bundle.overwritten(list(bundle.stream_ranges)))

    def ran(self, node: Node, *, well: bool, causes: Mapping[str, states.Event], details: str = "") -> None:
        """*node* has run for the last time.

        Args:
            node: all its calls are resolved.
            well: whether it succeeded, in the eyes of DAGMan.
            causes: how its jobs ended, by the keys of their bundles.
            details: what DAGMan says of its failure.

        """
        node.reported = True
        ends = [causes.get(bundle.key) for bundle in node.bundles]
        # Where no job failed it was a script, or the submission.
        otherwise = not well and all(
            end is None or (isinstance(end, states.Terminated) and end.exit_status == 0) for end in ends
        )
        more = self._more(node, details) if otherwise else ""
        for bundle, end in zip(node.bundles, ends, strict=True):
            job_id = bundle.job.job_id
            if otherwise:
                if not any(ends) and not node.options.post_script:  # which rejects what there is
                    self.values(bundle)  # of another run, on this machine
                self.fail(bundle, JobError(f"the node {node.key} of the DAG failed: {details}{more}", job_id=job_id))
            elif isinstance(end, states.Held):
                self._surely(bundle, lambda bundle=bundle, end=end: self._held(bundle, end))  # type: ignore[misc]
            else:
                self.report(bundle, states.Report(end or states.Gone(job_id or "")))

    def _more(self, node: Node, details: str) -> str:
        """What DAGMan's own log has besides *details*."""
        files = self._graph.files
        reason = submit_error(files, node.key) if "submit failed" in details else ""
        told = f"; {files.dagman_out} says more" if files.dagman_out.exists() else ""
        return (f": {reason}" if reason else "") + told

    def stopped(self, node: Node, error: CondorFuturesError) -> None:
        """*node* will not run, or not to its end: because of what became of its parents, or else of *error*."""
        node.reported = True
        for bundle in node.bundles:
            self.values(bundle)
            self._surely(bundle, lambda bundle=bundle: self._stopped(node, bundle, error))  # type: ignore[misc]

    def _values(self, bundle: Bundle) -> None:
        session = self._session
        outcomes, _ = read_outcomes(bundle.path("outcomes"), session=session.id, secret=session.secret)
        good = {key: outcome for key, outcome in outcomes.items() if outcome.result == "value"}
        futures = bundle.futures
        bundle.futures = {key: future for key, future in futures.items() if key not in good}
        # Of what was resolved before too: another attempt has written to the same files.
        bundle.wrote({key: outcome.stream_ranges for key, outcome in good.items()})
        for key, future in futures.items():
            if key in good:
                self._resolve(bundle, future, *failures.value_or_error(good[key], bundle.job.job_id))

    def _held(self, bundle: Bundle, hold: states.Held) -> None:
        session = self._session
        outcomes, _ = read_outcomes(bundle.path("outcomes"), session=session.id, secret=session.secret)
        if outcomes.keys() >= bundle.futures.keys():
            # All calls were made, and something else of the job did not come back, such as an output file.
            self._fail_rest(bundle, failures.missing(bundle, hold, None, ""))
        else:
            self._report(bundle, hold)

    def _stopped(self, node: Node, bundle: Bundle, error: CondorFuturesError) -> None:
        cause = self._cause(node)
        for call, future in bundle.futures.items():
            if cause is not None and bundle.job.job_id is None:
                self._fail_call(bundle, call, cause)
            else:
                self._resolve(bundle, future, None, error)
        bundle.futures = {}

    def _cause(self, node: Node) -> BaseException | None:
        """What a parent of *node* failed of; they were resolved before."""
        for parent in node.parents:
            for call in parent.calls:
                future = self._graph.futures[call]
                if future.cancelled():
                    return CancelledError()
                if future.done() and (error := future.exception()) is not None:
                    return error
        return None
