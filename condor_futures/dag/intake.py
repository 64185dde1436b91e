"""Make nodes from calls: pickle the calls, write them to the DAG's directory as bundles, add the nodes to the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner, writing_calls
from condor_futures.calls.making import CallPickler, batched, shared_by, write_files
from condor_futures.calls.naming import Naming
from condor_futures.calls.pickling import Pickled
from condor_futures.dag.driver import Driver
from condor_futures.dag.graph import Node, NodeOptions
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.session.call_names import append_names
from condor_futures.session.call_parents import append_parents
from condor_futures.session.session import Session
from condor_futures.session.shared_objects import SharedObject
from condor_futures.state_machine.states import Job

__all__ = ["NodeIntake"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class NodeIntake:
    """Makes nodes from the calls of one executor. An executor derived from it has an intake of its own.

    Attributes:
        driver: the driver, which has the graph.
        options: the options of the nodes' jobs.
        node_options: the options of the nodes, for DAGMan.
        after: the nodes that the new nodes come after.
        naming: names the calls; None if they have no names.

    """

    driver: Driver
    options: Options
    node_options: NodeOptions
    after: tuple[Node, ...] = ()
    naming: Naming | None = None

    def coming_after(self, futures: Iterable[Any]) -> NodeIntake:
        """Return an intake whose nodes come after the nodes of *futures*.

        Raises:
            TypeError: one of the futures is not of this DAG.

        """
        return replace(self, after=tuple(self.driver.graph.parents(futures)))

    def share(self, obj: T) -> SharedObject[T]:
        """Store *obj* in the session, for any number of calls."""
        return self._pickler.share(obj)

    def submit(self, fn: object, args: Sequence[object], kwargs: Mapping[str, object]) -> CondorFuture[Any]:
        """Add a node that makes one call."""
        call = self._call(self._pickler.function(fn), self._pickler.arguments(args, kwargs))
        self._name(call, args, kwargs)
        return self._add(fn, [[call]])[0]

    def submit_cluster(
        self, fn: object, args: Sequence[object], kwargs: Mapping[str, object], count: int
    ) -> list[CondorFuture[Any]]:
        """Add a node with *count* jobs, each of which makes one call."""
        function = self._pickler.function(fn, numbered=True)
        arguments = self._pickler.arguments(args, kwargs, cluster=count)
        calls = [self._call(function, arguments, number) for number in range(count)]
        for call in calls:
            self._name(call, args, kwargs)
        return self._add(fn, [[call] for call in calls])

    def submit_chunks(
        self, fn: object, arguments: Iterator[tuple[Any, ...]], chunksize: int
    ) -> list[CondorFuture[Any]]:
        """Add a node for each *chunksize* calls; add no node if one of the calls cannot be pickled."""
        function = self._pickler.function(fn)
        chunks: list[list[Call]] = []
        for chunk in batched(arguments, chunksize):
            pickled = [self._pickler.arguments(args, {}) for args in chunk]
            chunks.append([self._call(function, args) for args in pickled])
            for call, args in zip(chunks[-1], chunk, strict=True):
                self._name(call, args, {})
        # From here on, no argument can cause an error.
        return [future for calls in chunks for future in self._add(fn, [calls])]

    @property
    def _pickler(self) -> CallPickler:
        graph = self.driver.graph
        driver = self.driver
        return CallPickler(graph.key_of, self.options.ship, graph.session.shared, driver.packer, driver.repeats)

    def _call(self, function: Pickled, arguments: Pickled, number: int | None = None) -> Call:
        call = Call(Session.call_key(next(self.driver.graph.call_numbers)), function, arguments, number)
        self.driver.repeats.look_at(function.generators, arguments.generators)
        return call

    def _name(self, call: Call, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        """Name a call whose node is not added yet."""
        if self.naming is not None and (name := self.naming.name(args, kwargs, call.number)) is not None:
            self.driver.graph.names[call.key] = name

    def _add(self, fn: object, jobs: Sequence[Sequence[Call]]) -> list[CondorFuture[Any]]:
        """Add a node whose jobs make these calls: write its bundles to disk, and return its futures."""
        graph = self.driver.graph
        if self.options.environment is not None and (trouble := self.options.environment.trouble()) is not None:
            raise trouble
        futures = {call.key: self.driver.future(call.key) for calls in jobs for call in calls}
        numbers = [next(graph.bundle_numbers) for _ in jobs]
        # All bundles are in one directory, because the jobs of a node have one submit description.
        with writing_calls(graph.session.directory):
            directory = graph.session.bundle_directory(numbers[0])
        options = replace(self.options, code=self.driver.packer.code(self.options.ship))
        bundles = []
        for number, calls in zip(numbers, jobs, strict=True):
            key = Session.bundle_key(number)
            own = {call.key: futures[call.key] for call in calls}
            job = Job(key, spooled=False)
            shared = shared_by(calls, Manner())
            bundles.append(Bundle(key, directory, options, own, job, shared=shared, usages=graph.usages))
        inputs = graph.parents(future for calls in jobs for call in calls for future in call.futures.values())
        parents = list(dict.fromkeys([*inputs, *self.after]))
        names = {key: future.name for key, future in futures.items() if future.name is not None}
        append_names(graph.session.directory, names.items())
        after = [call for node in self.after for call in node.calls]
        of_calls = ((call.key, [*call.futures, *after]) for calls in jobs for call in calls)
        append_parents(graph.session.directory, of_calls)
        label = str(getattr(fn, "__name__", type(fn).__name__))
        if len(names) == len(futures) == 1:
            (label,) = names.values()
        node = Node(label, bundles, list(futures), self.node_options, parents, inputs)
        manner = Manner(
            scratch=True,
            parents=node.input_files,
            strict=True,
            # If a post script rejects the outcomes, all calls are made again.
            afresh=bool(self.node_options.post_script),
        )
        for bundle, calls in zip(bundles, jobs, strict=True):
            # Each job has the outcomes of earlier attempts as an input file.
            write_files(graph.session, bundle, calls, manner, outcomes=True)
        graph.add(node)
        return list(futures.values())
