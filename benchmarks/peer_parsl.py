"""Measure parsl's HighThroughputExecutor: one job for each slot, with one worker. Run by :mod:`peers`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import parsl
import work
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import CondorProvider


class Executor:
    """parsl's apps with the methods that the benchmarks use."""

    takes_futures = True

    def __init__(self) -> None:
        self.apps: dict[Any, Any] = {}

    def submit(self, function: Any, *arguments: Any) -> Future[Any]:
        if function not in self.apps:
            self.apps[function] = parsl.python_app(function)
        return self.apps[function](*arguments)

    def map(self, function: Any, values: Iterable[Any]) -> Iterator[Any]:
        for future in [self.submit(function, value) for value in values]:
            yield future.result()


@contextmanager
def make() -> Iterator[Executor]:
    # The jobs find the workers' program on PATH, and work.py on PYTHONPATH. A socket in the sandbox would have too long
    # a name.
    setting = f"export PATH={Path(sys.executable).parent}:$PATH PYTHONPATH={Path(__file__).parent} TMPDIR=/tmp"
    blocks = {"init_blocks": work.SLOTS, "min_blocks": work.SLOTS, "max_blocks": work.SLOTS}
    provider = CondorProvider(cores_per_slot=1, mem_per_slot=0.5, worker_init=setting, walltime="01:00:00", **blocks)
    executor = HighThroughputExecutor(max_workers_per_node=1, provider=provider, address="127.0.0.1", encrypted=False)
    with parsl.load(Config(executors=[executor], strategy="none", exit_mode="cleanup")):
        yield Executor()
    parsl.clear()


if __name__ == "__main__":
    print(json.dumps(work.measure(make=make, **json.loads(sys.argv[1]))))
