"""Calls become nodes: pickled, written to the DAG's directory as bundles, and added to its graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner, writing_calls
from condor_futures.calls.making import CallPickler, batched, write_files
from condor_futures.calls.pickling import Pickled
from condor_futures.dag.driver import Driver
from condor_futures.dag.graph import Node, NodeOptions
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job

__all__ = ["NodeIntake"]


@dataclass(frozen=True, eq=False)
class NodeIntake:
    """What an executor of a DAG makes of the calls that it is given; those derived from it have others.

    Attributes:
        driver: has the graph.
        options: what the nodes' jobs are submitted with.
        node_options: what DAGMan is told of the nodes.
        after: nodes that they come after.

    """

    driver: Driver
    options: Options
    node_options: NodeOptions
    after: tuple[Node, ...] = ()

    def coming_after(self, futures: Iterable[Any]) -> NodeIntake:
        """One whose nodes come after those of *futures*.

        Raises:
            TypeError: if one is not of this DAG.

        """
        return replace(self, after=tuple(self.driver.graph.parents(futures)))

    def submit(self, fn: object, args: Sequence[object], kwargs: Mapping[str, object]) -> CondorFuture[Any]:
        """Add a node that makes one call."""
        call = self._call(self._pickler.function(fn), self._pickler.arguments(args, kwargs))
        return self._add(fn, [[call]])[0]

    def submit_cluster(
        self, fn: object, args: Sequence[object], kwargs: Mapping[str, object], count: int
    ) -> list[CondorFuture[Any]]:
        """Add a node whose *count* jobs make one call each."""
        function = self._pickler.function(fn, numbered=True)
        arguments = self._pickler.arguments(args, kwargs, numbered=True)
        return self._add(fn, [[self._call(function, arguments, number)] for number in range(count)])

    def submit_chunks(
        self, fn: object, arguments: Iterator[tuple[Any, ...]], chunksize: int
    ) -> list[CondorFuture[Any]]:
        """Add a node for each *chunksize* calls: all of them, or none if one cannot be made."""
        function = self._pickler.function(fn)
        chunks: list[list[Call]] = []
        for chunk in batched(arguments, chunksize):
            pickled = [self._pickler.arguments(args, {}) for args in chunk]
            chunks.append([self._call(function, args) for args in pickled])
        # What follows cannot fail because of an argument.
        return [future for calls in chunks for future in self._add(fn, [calls])]

    @property
    def _pickler(self) -> CallPickler:
        return CallPickler(self.driver.graph.key_of, self.options.ship)

    def _call(self, function: Pickled, arguments: Pickled, number: int | None = None) -> Call:
        return Call(Session.call_key(next(self.driver.graph.call_numbers)), function, arguments, number)

    def _add(self, fn: object, jobs: Sequence[Sequence[Call]]) -> list[CondorFuture[Any]]:
        """Make a node with the calls of each of its jobs: its bundles on disk, its futures."""
        graph = self.driver.graph
        futures = {call.key: self.driver.future(call.key) for calls in jobs for call in calls}
        numbers = [next(graph.bundle_numbers) for _ in jobs]
        # In one directory all of them, since they have one submit description.
        with writing_calls(graph.session.directory):
            directory = graph.session.bundle_directory(numbers[0])
        bundles = []
        for number, calls in zip(numbers, jobs, strict=True):
            key = Session.bundle_key(number)
            own = {call.key: futures[call.key] for call in calls}
            bundles.append(Bundle(key, directory, self.options, own, Job(key, spooled=False)))
        inputs = graph.parents(future for calls in jobs for call in calls for future in call.futures.values())
        parents = list(dict.fromkeys([*inputs, *self.after]))
        label = str(getattr(fn, "__name__", type(fn).__name__))
        node = Node(label, bundles, list(futures), self.node_options, parents, inputs)
        manner = Manner(
            scratch=True,
            parents=node.input_files,
            strict=True,
            # A script that rejects what there is has it made again.
            afresh=bool(self.node_options.post_script),
        )
        for bundle, calls in zip(bundles, jobs, strict=True):
            # The outcomes of earlier attempts are an input file of each job.
            write_files(graph.session, bundle, calls, manner, outcomes=True)
        graph.add(node)
        return list(futures.values())
