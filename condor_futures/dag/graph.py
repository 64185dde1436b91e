"""The nodes of a DAG and their futures, both in the process that makes the DAG and in a process that attaches to it.

::

    SESSION/                     the files of any session (condor_futures.session), and:
        NAME.dag                 the DAG
        NAME.dag.json            the other data that attach() needs
        NAME.dag.local           the lock of a process that runs the DAG without HTCondor
        jobs-000.sub             submit descriptions; nodes with the same options share one
        dagman.config            settings of DAGMan for this DAG
        NAME.status              the states of the nodes, from DAGMan (NODE_STATUS_FILE)
        NAME.dot                 the same states as a graph (DOT)
        NAME.dag.*               DAGMan's own files: logs, rescue DAGs, metrics
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.usages import Usages
from condor_futures.dag.files import DagFiles, read_manifest
from condor_futures.errors import CondorFuturesError
from condor_futures.future import CondorFuture
from condor_futures.options.categories import Categories
from condor_futures.options.options import Options
from condor_futures.ownership import Owner, changes, owned
from condor_futures.session.call_names import read_names
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job

__all__ = [
    "Graph",
    "Node",
    "NodeOptions",
]


@dataclass(frozen=True)
class NodeOptions:
    """The options of a node that are for DAGMan, not for the job; a script is the words of a command line."""

    retries: int = 0
    pre_script: tuple[str, ...] = ()
    post_script: tuple[str, ...] = ()


@owned(bundles="graph")
@dataclass(eq=False)
class Node:
    """One node: one job with a bundle of calls, or a cluster of such jobs.

    Once a graph has the node, its bundles belong to the owner of the graph, and nothing else of it changes.

    Attributes:
        label: the name of the called function, or of the only call if it has one, for pictures.
        bundles: one bundle for each job, in the order of the jobs' numbers.
        calls: the keys of all its calls.
        options: the options for DAGMan.
        parents: the nodes that it comes after.
        inputs: the parents whose values it takes.

    """

    label: str
    bundles: Sequence[Bundle]
    calls: Sequence[str]
    options: NodeOptions
    parents: Sequence[Node]
    inputs: Sequence[Node] = ()

    @property
    def key(self) -> str:
        """The name of the node in the DAG."""
        return self.bundles[0].key

    @property
    def depth(self) -> int:
        """The length of the longest path to the node."""
        return self._depth

    @property
    def input_files(self) -> list[str]:
        """The files of outcomes that its calls take values from, relative to its directory."""
        here = self.bundles[0].directory
        return [
            f"{'' if bundle.directory == here else f'../{bundle.directory.name}/'}{bundle.path('outcomes').name}"
            for parent in self.inputs
            for bundle in parent.bundles
        ]

    @property
    def shared_files(self) -> list[str]:
        """The files of the shared objects that its calls take, relative to its directory."""
        return [Session.object_from_bundle(name) for name in self.bundles[0].shared]

    def __post_init__(self) -> None:
        self._depth = 1 + max((parent.depth for parent in self.parents), default=-1)


@owned(access_point="graph", written_to="graph")
@dataclass(eq=False)
class Graph:
    """All nodes of one DAG, parents before children, and the current futures of all calls.

    It belongs to the holder of its lock: the methods that change it, called by the user's threads, take the lock. The
    threads of a run only read it.
    """

    name: str
    session: Session
    access_point: Any = None
    max_workers: int | None = None
    nodes: list[Node] = field(default_factory=list)
    futures: dict[str, CondorFuture[Any]] = field(default_factory=dict)
    categories: Categories = field(default_factory=Categories)
    written_to: Path | None = None
    """The directory that the DAG was written to, and that the DAG file and the submit descriptions name."""

    def __post_init__(self) -> None:
        self.files = DagFiles(self.session.directory, self.name)
        self.usages = Usages(self.session.directory)
        self.call_numbers = itertools.count()
        self.names: dict[str, str] = {}
        """The names of calls that have one, by call key."""
        self.bundle_numbers = itertools.count()
        self._node_of_call: dict[str, Node] = {}
        self._lock = threading.RLock()
        self._owner = Owner("the holder of the lock of the graph", self._lock)
        self._owner.takes(self, part="graph")

    def key_of(self, future: Future[Any]) -> str:
        """Return the key by which calls refer to the value of *future*.

        Raises:
            TypeError: *future* is not of this DAG.

        """
        key = getattr(future, "key", "")
        if self.futures.get(key) is not future:
            raise TypeError("a DAG takes values from its own calls only; pass future.result() instead")
        return str(key)

    def add(self, node: Node) -> None:
        """Append a node, whose parents have been added before."""
        with self._lock:
            self._append(node)

    @changes("graph")
    def _append(self, node: Node) -> None:
        self._owner.takes(node, part="graph")
        self.nodes.append(node)
        for bundle in node.bundles:
            self.futures.update(bundle.futures)
        for call in node.calls:
            self._node_of_call[call] = node

    def parents(self, futures: Iterable[Future[Any]]) -> list[Node]:
        """Return the nodes of *futures* in order, without duplicates."""
        return list({id(node): node for node in (self._node_of_call[self.key_of(f)] for f in futures)}.values())

    def renew(self, make: Callable[[str], CondorFuture[Any]]) -> None:
        """Give every call without a value a new future, *make(key)*, because the call will be made again.

        The other calls of the same job keep their futures, which have values.
        """
        with self._lock:
            for node in self.nodes:
                self._renew(node, make)

    @changes("graph")
    def _renew(self, node: Node, make: Callable[[str], CondorFuture[Any]]) -> None:
        bundles = list(node.bundles)
        for position, bundle in enumerate(bundles):
            calls = [key for key in self._calls_of(node, position) if not _has_value(self.futures.get(key))]
            if not calls:
                continue
            bundle.overwritten(self._calls_of(node, position))
            fresh = {key: make(key) for key in calls}
            bundles[position] = Bundle(
                bundle.key,
                bundle.directory,
                bundle.options,
                fresh,
                Job(bundle.key, spooled=False),
                shared=bundle.shared,
                usages=bundle.usages,
            )
            self.futures.update(fresh)
        node.bundles = bundles

    def has_values(self, node: Node) -> bool:
        """Return whether every call of *node* has its value."""
        return all(_has_value(self.futures.get(key)) for key in node.calls)

    @property
    def complete(self) -> bool:
        """Whether every call has its value."""
        return all(_has_value(future) for future in self.futures.values())

    def add_to_rescue(self, *, judged: bool) -> None:
        """Add nodes that are done, but that DAGMan did not run, to the latest rescue DAG, or to a first one.

        Args:
            judged: whether the verdicts of post scripts are known. If not, nodes with post scripts count as not done,
                and so do the nodes after them.

        """
        done: dict[str, None] = {}  # in order
        for node in self.nodes:
            known = judged or not node.options.post_script
            after = all(parent.key in done for parent in node.parents)
            if known and after and self.has_values(node):
                done[node.key] = None
        rescue = self.files.rescue
        known_to_dagman = set(rescue.read_text().splitlines()) if rescue is not None else set()
        if lines := [f"DONE {key}\n" for key in done if f"DONE {key}" not in known_to_dagman]:
            path = rescue or self.files.first_rescue
            with path.open("a") as file:
                file.writelines(["\n", *lines])

    @staticmethod
    def _calls_of(node: Node, position: int) -> Sequence[str]:
        return node.calls if len(node.bundles) == 1 else [node.calls[position]]

    def use_access_point(self, access_point: Any) -> None:
        """Run the DAG at another access point than before."""
        with self._lock:
            self.access_point = access_point
        self.session.record = self.session.record.with_settings(schedd=None)

    # The graph on disk.

    def check_place(self) -> None:
        """Raise CondorFuturesError if the DAG was written to another directory, where its jobs would run."""
        here, written = self.session.directory, self.written_to
        if written is not None and not (written.exists() and written.samefile(here)):
            raise CondorFuturesError(
                f"the DAG in {here} was written to {written}, which its files name, so DAGMan can run it only there; "
                "move the directory back, or call run(local=True)"
            )

    def save(self) -> None:
        """Write the file that :meth:`load` reads."""
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
                    "shared": list(node.bundles[0].shared),
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
        """Return the DAG that was written to *directory*; :meth:`renew` then gives its calls futures.

        Raises:
            CondorFuturesError: no DAG was written to *directory*.

        """
        session = Session.open(directory)
        about = read_manifest(session.directory)
        graph = cls(about["name"], session, about["access_point"], about.get("max_workers"))
        with graph._lock:
            graph.written_to = Path(about["directory"])
        graph.categories.update(about["categories"])
        graph.names.update(read_names(session.directory))
        for saved in about["nodes"]:
            options = Options.from_record(saved["job"])
            place = session.bundles / saved["directory"]
            bundles = [
                Bundle(
                    key,
                    place,
                    options,
                    {},
                    Job(key, spooled=False),
                    shared=saved.get("shared", ()),
                    usages=graph.usages,
                )
                for key in saved["bundles"]
            ]
            own = NodeOptions(saved["retries"], tuple(saved["pre_script"]), tuple(saved["post_script"]))
            parents, inputs = ([graph.nodes[index] for index in saved[kind]] for kind in ("parents", "inputs"))
            graph.add(Node(saved["label"], bundles, saved["calls"], own, parents, inputs))
        return graph


def _has_value(future: Future[Any] | None) -> bool:
    return future is not None and future.done() and not future.cancelled() and future.exception() is None
