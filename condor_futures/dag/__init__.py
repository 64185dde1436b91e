"""Workflows for DAGMan: a DAG of calls that HTCondor drives, with or without the client."""

from __future__ import annotations

from condor_futures.dag.executor import DagExecutor

__all__ = ["DagExecutor"]
