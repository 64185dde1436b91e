"""The files of a DAG."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DagFiles"]


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
        """What :meth:`Graph.load` reads."""
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
