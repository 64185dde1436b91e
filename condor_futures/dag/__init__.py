"""Workflows: a DAG of calls, which DAGMan runs as HTCondor jobs, whether the client is attached or not.

This code runs in the client. The user's threads make the DAG, one thread follows DAGMan (or runs the DAG on this
machine, with threads that wait for jobs and scripts), and a resolver's thread resolves the futures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from condor_futures.dag.executor import DagExecutor

__all__ = ["DagExecutor"]


def __getattr__(name: str) -> object:
    # Most programs use no DAG. The modules of DagExecutor take a tenth of the import of condor_futures, so they are
    # imported at the first use of the name (PEP 562).
    if name == "DagExecutor":
        from condor_futures.dag.executor import DagExecutor

        return DagExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
