"""Measure dask-jobqueue: one job for each slot, with one thread. Run by :mod:`peers` in an environment of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import work
from dask.distributed import Client, Future
from dask_jobqueue import HTCondorCluster


class Executor:
    """dask's client with the methods that the benchmarks use. Calls are not pure, as in other executors."""

    takes_futures = True

    def __init__(self, client: Client) -> None:
        self.client = client

    def submit(self, function: Any, *arguments: Any) -> Future:
        return self.client.submit(function, *arguments, pure=False)

    def map(self, function: Any, values: Iterable[Any]) -> Iterator[Any]:
        for future in self.client.map(function, list(values), pure=False):
            yield future.result()


@contextmanager
def make() -> Iterator[Executor]:
    prologue = [f"export PYTHONPATH={Path(__file__).parent}"]  # where the jobs find work.py
    options = {"python": sys.executable, "job_script_prologue": prologue, "scheduler_options": {"host": "127.0.0.1"}}
    with (
        HTCondorCluster(cores=1, processes=1, memory="500MB", disk="500MB", **options) as cluster,
        Client(cluster) as client,
    ):
        cluster.scale(jobs=work.SLOTS)
        yield Executor(client)


if __name__ == "__main__":
    print(json.dumps(work.measure(make=make, **json.loads(sys.argv[1]))))
