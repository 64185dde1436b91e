"""Write the nodes as the files that condor_submit_dag reads, by means of HTCondor's own module for DAGs."""

from __future__ import annotations

import functools
import logging
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from condor_futures.dag.graph import Graph, Node
from condor_futures.dag.htcondor_dags import dags, writer
from condor_futures.options.options import Options
from condor_futures.state_machine.hold_codes import JobStatus
from condor_futures.submit import attributes
from condor_futures.submit.description import describe

__all__ = ["write"]

logger = logging.getLogger(__name__)

_SETTINGS = {
    # The jobs of a cluster make separate calls, so the failure of one job must not remove the others. (From 25.14 on.)
    "DAGMAN_REMOVE_JOB_LIST_ON_FAILURE": False,
    # By default DAGMan refuses a log below /tmp, even if the process that writes the log sees the same /tmp.
    "DAGMAN_AVOID_SLASH_TMP": False,
}
#: The follower reads this log (DagFiles.nodes_log); it overrides the configuration of the site.
_FOLLOWED = {"DAGMAN_DEFAULT_NODE_LOG": "@(DAG_DIR)/@(DAG_FILE).nodes.log"}


def write(graph: Graph, *, transfer: Literal["YES", "IF_NEEDED"], dagman: Mapping[str, object]) -> Path:
    """Write the DAG and its submit descriptions; return the DAG file.

    Args:
        graph: the graph of the DAG.
        transfer: the default of ``should_transfer_files``.
        dagman: settings of DAGMan for this DAG.

    """
    files = graph.files
    used = {node.bundles[0].options.category for node in graph.nodes}
    if unused := sorted(graph.categories.keys() - used):
        logger.warning("no call of the DAG %s is of the category %s, which has a limit", graph.name, ", ".join(unused))
    dag = _Dag(
        dagman_config={**_SETTINGS, **dagman, **_FOLLOWED},
        # The attribute identifies the job as one of the session, even if you submit the DAG by hand.
        dagman_job_attributes={attributes.SESSION: f'"{graph.session.id}"'},
        max_jobs_by_category={category: limit for category, limit in graph.categories.items() if category in used},
        dot_config=dags.DotConfig(files.dot, update=True),
        # DAGMan rewrites the whole file each time: every second, or every eleven seconds for 10,000 nodes.
        node_status_file=dags.NodeStatusFile(files.status, update_time=1 + len(graph.nodes) // 1000),
    )
    descriptions = _Descriptions(graph, transfer)
    layers: dict[int, Any] = {}
    for node in graph.nodes:
        layers[id(node)] = _layer(dag, node, descriptions)
        layers[id(node)].add_parents([layers[id(parent)] for parent in node.parents])
    return Path(_Writer(dag, _Names()).write(files.directory, files.dag.name))


def _layer(dag: Any, node: Node, descriptions: _Descriptions) -> Any:
    options = node.options
    # The jobs of a cluster make the bundles from the first bundle on.
    key = {"bundle": node.key} if len(node.bundles) == 1 else {"first": node.key.lstrip("b0") or "0"}
    return dag.layer(
        name=node.key,
        submit_description=descriptions.file(node),
        vars=[
            {
                **key,
                "directory": node.bundles[0].directory.name,
                "calls": str(len(node.calls) // len(node.bundles)),
                # The earlier outcomes too, so that successful calls are not made again.
                "inputs": ", ".join(["$(bundle).outcomes", *node.input_files, *node.shared_files]),
            }
        ],
        retries=options.retries or None,
        category=node.bundles[0].options.category,
        pre=_script(options.pre_script),
        post=_script(options.post_script),
    )


def _script(words: tuple[str, ...]) -> Any:
    return dags.Script(words[0], list(words[1:])) if words else None


@dataclass
class _Descriptions:
    """The submit descriptions: one file for all nodes with the same options."""

    graph: Graph
    transfer: Literal["YES", "IF_NEEDED"]

    def __post_init__(self) -> None:
        self._files: dict[Hashable, Path] = {}

    def file(self, node: Node) -> Path:
        options, count = node.bundles[0].options, len(node.bundles)
        path = self._files.get((options.key, count))
        if path is None:
            path = self.graph.session.directory / f"jobs-{len(self._files):03d}.sub"
            # The jobs of a cluster make the bundles from the first bundle on (see Session.bundle_key).
            numbered = {"number": "$(first) + $(Process)", "bundle": "b$INT(number,%06d)"} if count > 1 else {}
            commands = {**numbered, **self._describe(options)}
            text = "".join(f"{name} = {value}\n" for name, value in commands.items())
            path.write_text(f"{text}queue {count}\n", encoding="utf-8")
            self._files[options.key, count] = path
        return path

    def _describe(self, options: Options) -> dict[str, str]:
        session = self.graph.session
        return describe(
            {**options.commands, **_removal(options.commands)},
            session_id=session.id,
            runner=session.runner_with(options.code),
            directory=session.bundles,
            event_log=None,
            shipped=options.ship.files,
            inputs_variable="inputs",
            objects=[session.environment_from_bundle(options.environment.name)] if options.environment else (),
            environment=options.environment.name if options.environment else None,
            # The user's own files need a transfer to the execution point and back.
            should_transfer_files="YES" if options.own_files or options.in_container else self.transfer,
        )


def _removal(commands: Mapping[str, str]) -> dict[str, str]:
    """Return the command that removes held jobs, for which DAGMan would wait forever.

    A job with the user's own ``periodic_release`` gets no such command.

    >>> _removal({"periodic_remove": "NumJobStarts > 3"}), _removal({"periodic_release": "NumHolds < 3"})
    ({'periodic_remove': '(NumJobStarts > 3) || JobStatus == 5'}, {})

    """
    if "periodic_release" in commands:
        return {}
    own = commands.get("periodic_remove")
    held = f"JobStatus == {JobStatus.HELD:d}"
    return {"periodic_remove": f"({own}) || {held}" if own else held}


class _Names(dags.NodeNameFormatter):  # type: ignore[misc]
    """Names each node like its layer, because each layer has one node."""

    def generate(self, layer_name: str, _node_index: int) -> str:
        return layer_name

    def parse(self, node_name: str) -> tuple[str, int]:
        return node_name, 0


class _Dag(dags.DAG):  # type: ignore[misc]
    """A DAG that no longer changes. dags.DAG itself would search all edges for the children of each node."""

    @functools.cached_property
    def node_to_children(self) -> Any:
        return super().node_to_children

    @functools.cached_property
    def node_to_parents(self) -> Any:
        return super().node_to_parents


class _Writer(writer.DAGWriter):  # type: ignore[misc]
    """A writer that corrects two kinds of lines that DAGMan would refuse as htcondor2.dags (25.14) writes them."""

    def write(self, dag_dir: Path, dag_file_name: str) -> Path:
        self._directory = dag_dir
        return Path(super().write(dag_dir, dag_file_name))

    def yield_dag_meta_lines(self) -> Iterator[str]:
        for line in super().yield_dag_meta_lines():
            word, _, rest = line.partition(" ")
            if word == "CATEGORY":  # MAXJOBS sets the limit of a category; CATEGORY sets the category of a node
                yield f"MAXJOBS {rest}"
            elif word == "CONFIG":  # DAGMan takes a relative path from the directory that it was submitted from
                yield f"CONFIG {self._directory / writer.CONFIG_FILE_NAME}"
            else:
                yield line
