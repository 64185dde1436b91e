"""The files of a DAG: their names, and what is known of a DAG without its nodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_futures.errors import CondorFuturesError

__all__ = ["DagFiles", "read_manifest"]


def read_manifest(directory: Path) -> dict[str, Any]:
    """What ``Graph.save`` wrote to *directory*, as JSON has it: ``name`` and ``access_point`` of the DAG, and more.

    Raises:
        CondorFuturesError: if no DAG was written there.

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
        """What :func:`read_manifest` reads."""
        return self._path(".dag.json")  # not NAME.json: a DAG may be called session

    @property
    def local_lock(self) -> Path:
        """Locked by the process that runs the DAG without HTCondor."""
        return self._path(".dag.local")

    @property
    def status(self) -> Path:
        """Where DAGMan says how its nodes are."""
        return self._path(".status")

    @property
    def dot(self) -> Path:
        """Where DAGMan draws its nodes."""
        return self._path(".dot")

    @property
    def nodes_log(self) -> Path:
        """The job event log of all jobs of all nodes, begun anew with each run."""
        return self._path(".dag.nodes.log")

    @property
    def dagman_log(self) -> Path:
        """The job event log of the DAGMan job itself; runs are appended."""
        return self._path(".dag.dagman.log")

    @property
    def lock(self) -> Path:
        """It is there while DAGMan runs."""
        return self._path(".dag.lock")

    @property
    def dagman_out(self) -> Path:
        """What DAGMan does, and what troubles it, in prose."""
        return self._path(".dag.dagman.out")

    @property
    def dagman_err(self) -> Path:
        """What DAGMan says before it has a log."""
        return self._path(".dag.lib.err")

    @property
    def first_rescue(self) -> Path:
        """The first rescue DAG."""
        return self._path(".dag.rescue001")

    @property
    def rescue(self) -> Path | None:
        """The latest rescue DAG, if there is any."""
        return max(self.directory.glob(f"{self.name}.dag.rescue[0-9][0-9][0-9]"), default=None)
