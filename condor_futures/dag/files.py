"""The names of a DAG's files, and the description of a DAG without its nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_futures.errors import CondorFuturesError

__all__ = ["DagFiles", "read_manifest"]


def read_manifest(directory: Path) -> dict[str, Any]:
    """Return the JSON value that ``Graph.save`` wrote to *directory*: ``name``, ``access_point``, and more of the DAG.

    Raises:
        CondorFuturesError: no DAG was written to *directory*.

    """
    manifests = [path for path in directory.glob("*.dag.json") if path.with_suffix("").exists()]
    if len(manifests) != 1:
        raise CondorFuturesError(f"no DAG was written to {directory}; call write() or run() first")
    about: dict[str, Any] = json.loads(manifests[0].read_bytes())
    return about


@dataclass(frozen=True)
class DagFiles:
    """The names of a DAG's files."""

    directory: Path
    name: str

    def _path(self, suffix: str) -> Path:
        return self.directory / f"{self.name}{suffix}"

    @property
    def dag(self) -> Path:
        """The DAG itself, for condor_submit_dag."""
        return self._path(".dag")

    @property
    def manifest(self) -> Path:
        """The file that :func:`read_manifest` reads."""
        return self._path(".dag.json")  # not NAME.json, because the name of a DAG may be "session"

    @property
    def local_lock(self) -> Path:
        """The lock of the process that runs the DAG without HTCondor."""
        return self._path(".dag.local")

    @property
    def status(self) -> Path:
        """The node status file, which DAGMan writes."""
        return self._path(".status")

    @property
    def dot(self) -> Path:
        """The graph of the nodes in the language of Graphviz, which DAGMan writes."""
        return self._path(".dot")

    @property
    def nodes_log(self) -> Path:
        """The job event log of all jobs of all nodes; each run starts a new one."""
        return self._path(".dag.nodes.log")

    @property
    def dagman_log(self) -> Path:
        """The job event log of the DAGMan job itself; each run is appended."""
        return self._path(".dag.dagman.log")

    @property
    def lock(self) -> Path:
        """DAGMan's lock; it exists while DAGMan runs."""
        return self._path(".dag.lock")

    @property
    def dagman_out(self) -> Path:
        """DAGMan's own log: its actions and errors."""
        return self._path(".dag.dagman.out")

    @property
    def dagman_err(self) -> Path:
        """The standard error of DAGMan, for errors before it has a log."""
        return self._path(".dag.lib.err")

    @property
    def first_rescue(self) -> Path:
        """The first rescue DAG."""
        return self._path(".dag.rescue001")

    @property
    def rescue(self) -> Path | None:
        """The latest rescue DAG; None if there is none."""
        return max(self.directory.glob(f"{self.name}.dag.rescue[0-9][0-9][0-9]"), default=None)
