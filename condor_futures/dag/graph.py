"""The nodes of a DAG and what is known of them; the same in the process that makes the DAG and in one that comes back.

::

    SESSION/                     as every session (condor_futures.session), and
        NAME.dag                 the DAG
        NAME.dag.json            what attach() needs besides
        NAME.dag.local           locked by who runs it without HTCondor
        jobs-000.sub             submit descriptions: nodes of the same options share one
        dagman.config            settings of DAGMan for this DAG
        NAME.status              how DAGMan sees its nodes (NODE_STATUS_FILE)
        NAME.dot                 the same as a graph (DOT)
        NAME.dag.*               DAGMan's own files: logs, rescue DAGs, metrics
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from condor_futures.calls.bundle import Bundle
from condor_futures.dag.files import DagFiles, read_manifest
from condor_futures.errors import CondorFuturesError
from condor_futures.future import CondorFuture
from condor_futures.options.categories import Categories
from condor_futures.options.options import Options
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job

__all__ = [
    "Graph",
    "Node",
    "NodeOptions",
]


@dataclass(frozen=True)
class NodeOptions:
    """What DAGMan, rather than the job, is told of a node; scripts are command lines, word by word."""

    retries: int = 0
    pre_script: tuple[str, ...] = ()
    post_script: tuple[str, ...] = ()


@dataclass(eq=False)
class Node:
    """One node: one job with a bundle of calls, or a cluster of them.

    Attributes:
        label: what it calls, for pictures.
        bundles: one for each of its jobs, in the order of their numbers.
        calls: the keys of all its calls.
        options: see there.
        parents: nodes that it comes after.
        inputs: those of them whose values it takes.
        reported: its futures have been told, or are being told.

    """

    label: str
    bundles: list[Bundle]
    calls: Sequence[str]
    options: NodeOptions
    parents: Sequence[Node]
    inputs: Sequence[Node] = ()
    reported: bool = False

    @property
    def key(self) -> str:
        """Its name in the DAG."""
        return self.bundles[0].key

    @property
    def depth(self) -> int:
        """The length of the longest way to it."""
        return self._depth

    @property
    def input_files(self) -> list[str]:
        """The files of outcomes that its calls may take values from, relative to its directory."""
        here = self.bundles[0].directory
        return [
            f"{'' if bundle.directory == here else f'../{bundle.directory.name}/'}{bundle.path('outcomes').name}"
            for parent in self.inputs
            for bundle in parent.bundles
        ]

    def __post_init__(self) -> None:
        self._depth = 1 + max((parent.depth for parent in self.parents), default=-1)


@dataclass(eq=False)
class Graph:
    """All nodes of one DAG, parents before children, and the current futures of all calls."""

    name: str
    session: Session
    access_point: Any = None
    max_workers: int | None = None
    nodes: list[Node] = field(default_factory=list)
    futures: dict[str, CondorFuture[Any]] = field(default_factory=dict)
    categories: Categories = field(default_factory=Categories)
    written_to: Path | None = None
    """Where it was written: DAG and submit descriptions name that directory."""

    def __post_init__(self) -> None:
        self.files = DagFiles(self.session.directory, self.name)
        self.call_numbers = itertools.count()
        self.bundle_numbers = itertools.count()
        self._node_of_call: dict[str, Node] = {}

    def key_of(self, future: Future[Any]) -> str:
        """The key by which calls refer to the value of *future*.

        Raises:
            TypeError: if it is not of this DAG.

        """
        key = getattr(future, "key", "")
        if self.futures.get(key) is not future:
            raise TypeError("a DAG takes values from its own calls only; pass future.result() instead")
        return str(key)

    def add(self, node: Node) -> None:
        """Append a node; its parents are there already."""
        self.nodes.append(node)
        for bundle in node.bundles:
            self.futures.update(bundle.futures)
        for call in node.calls:
            self._node_of_call[call] = node

    def parents(self, futures: Iterable[Future[Any]]) -> list[Node]:
        """The nodes of *futures*, each once, in order."""
        return list({id(node): node for node in (self._node_of_call[self.key_of(f)] for f in futures)}.values())

    def renew(self, make: Callable[[str], CondorFuture[Any]]) -> None:
        """Give every call that has no value a new future, made by *make* of its key: it is going to be made again.

        The other calls of its job keep theirs, with their values.
        """
        for node in self.nodes:
            for position, bundle in enumerate(node.bundles):
                calls = [key for key in self._calls_of(node, position) if not _has_value(self.futures.get(key))]
                if not calls:
                    continue
                bundle.overwritten(self._calls_of(node, position))
                fresh = {key: make(key) for key in calls}
                node.bundles[position] = Bundle(
                    bundle.key, bundle.directory, bundle.options, fresh, Job(bundle.key, spooled=False)
                )
                self.futures.update(fresh)
            node.reported = all(_has_value(self.futures[key]) for key in node.calls)

    @property
    def complete(self) -> bool:
        """Every call has its value."""
        return all(_has_value(future) for future in self.futures.values())

    def add_to_rescue(self, *, judged: bool) -> None:
        """Have DAGMan know, by its latest rescue DAG or a first one, of nodes that are done and that it did not run.

        Args:
            judged: what post scripts have said is known; or else their nodes are not done, nor those after them.

        """
        done: dict[str, None] = {}  # in order
        for node in self.nodes:
            known = judged or not node.options.post_script
            after = all(parent.key in done for parent in node.parents)
            if known and after and all(_has_value(self.futures.get(key)) for key in node.calls):
                done[node.key] = None
        rescue = self.files.rescue
        there = set(rescue.read_text().splitlines()) if rescue is not None else set()
        if lines := [f"DONE {key}\n" for key in done if f"DONE {key}" not in there]:
            path = rescue or self.files.first_rescue
            with path.open("a") as file:
                file.writelines(["\n", *lines])

    @staticmethod
    def _calls_of(node: Node, position: int) -> Sequence[str]:
        return node.calls if len(node.bundles) == 1 else [node.calls[position]]

    # On disk.

    def check_place(self) -> None:
        """Raise CondorFuturesError if it was written to another directory: its jobs would run there."""
        here, written = self.session.directory, self.written_to
        if written is not None and not (written.exists() and written.samefile(here)):
            raise CondorFuturesError(
                f"the DAG in {here} was written to {written}, which its files name: DAGMan can run it only there; move "
                "it back, or run(local=True)"
            )

    def save(self) -> None:
        """Write what :meth:`load` reads."""
        number = {id(node): index for index, node in enumerate(self.nodes)}
        about = {
            "name": self.name,
            "directory": str(self.session.directory),
            "access_point": self.access_point,
            "max_workers": self.max_workers,
            "categories": dict(self.categories),
            "nodes": [
                {
                    "label": node.label,
                    "bundles": [bundle.key for bundle in node.bundles],
                    "directory": node.bundles[0].directory.name,
                    "calls": node.calls,
                    "job": node.bundles[0].options.record(),
                    "retries": node.options.retries,
                    "pre_script": node.options.pre_script,
                    "post_script": node.options.post_script,
                    "parents": [number[id(parent)] for parent in node.parents],
                    "inputs": [number[id(parent)] for parent in node.inputs],
                }
                for node in self.nodes
            ],
        }
        with self.session.create_file(self.files.manifest) as file:
            file.write(json.dumps(about, indent=1).encode())

    @classmethod
    def load(cls, directory: Path) -> Graph:
        """The DAG that was written to *directory*; its calls have no futures yet: see :meth:`renew`.

        Raises:
            CondorFuturesError: if there is none.

        """
        session = Session.open(directory)
        about = read_manifest(session.directory)
        graph = cls(about["name"], session, about["access_point"], about.get("max_workers"))
        graph.written_to = Path(about["directory"])
        graph.categories.update(about["categories"])
        for saved in about["nodes"]:
            options = Options.from_record(saved["job"])
            place = session.bundles / saved["directory"]
            bundles = [Bundle(key, place, options, {}, Job(key, spooled=False)) for key in saved["bundles"]]
            own = NodeOptions(saved["retries"], tuple(saved["pre_script"]), tuple(saved["post_script"]))
            parents, inputs = ([graph.nodes[index] for index in saved[kind]] for kind in ("parents", "inputs"))
            graph.add(Node(saved["label"], bundles, saved["calls"], own, parents, inputs))
        return graph


def _has_value(future: Future[Any] | None) -> bool:
    return future is not None and future.done() and not future.cancelled() and future.exception() is None
