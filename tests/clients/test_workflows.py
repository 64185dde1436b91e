"""dask, pipefunc, coffea and more-executors: graphs, merges and retries made of calls."""

from __future__ import annotations

import operator
import time

import dask
import dask.array
import numpy as np
import pipefunc
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import FuturesExecutor, IterativeExecutor, ProcessorABC, Runner
from more_executors import Executors
from support import until

pytestmark = pytest.mark.pool


def test_dask_computes_an_array(unspooled):
    """As with its own scheduler."""
    array = dask.array.arange(40, chunks=20)
    spread = (array**2).sum() - array.mean()
    assert spread.compute(scheduler=unspooled) == spread.compute(scheduler="synchronous")


def test_dask_computes_a_graph_of_delayed_calls(unspooled):
    """Each call is made when those before it are done, and an exception comes out as itself."""

    @dask.delayed
    def add(a, b):
        return a + b

    total = add(add(1, 2), add(3, 4))
    assert total.compute(scheduler=unspooled) == 10
    with pytest.raises(TypeError, match="unsupported operand"):
        add(1, "metres").compute(scheduler=unspooled)


def test_dask_uses_an_executor_that_was_set(unspooled):
    """dask.config.set(scheduler=executor), and limits from its max_workers."""
    with dask.config.set(scheduler=unspooled):
        assert dask.compute(dask.delayed(operator.mul)(6, 7), dask.delayed(abs)(-1)) == (42, 1)


def test_pipefunc_maps_a_pipeline(unspooled):
    """A map and a reduction; nothing is written where only the client can read it."""

    @pipefunc.pipefunc(output_name="y", mapspec="x[i] -> y[i]")
    def double(x):
        return 2 * x

    @pipefunc.pipefunc(output_name="total")
    def add(y):
        return sum(y)

    pipeline = pipefunc.Pipeline([double, add])
    results = pipeline.map({"x": [1, 2, 3]}, executor=unspooled, storage="dict", chunksizes=1)
    assert list(results["y"].output) == [2, 4, 6]
    assert results["total"].output == 12


def test_coffea_processes_a_file(unspooled, tmp_path):
    """Its Runner preprocesses, processes and merges with the executor as its pool."""

    class Totals(ProcessorABC):
        def process(self, events):
            return {events.metadata["dataset"]: {"events": len(events), "energy": float(np.sum(events.energy))}}

        def postprocess(self, accumulator):
            return accumulator

    with uproot.recreate(tmp_path / "events.root") as file:
        file["Events"] = {"energy": np.arange(100.0)}
    files = {"calibration": {"files": {str(tmp_path / "events.root"): "Events"}}}

    def run(executor):
        return Runner(executor=executor, schema=BaseSchema, chunksize=50, metadata_cache={})(
            files, processor_instance=Totals()
        )

    ours = run(FuturesExecutor(pool=unspooled, status=False))
    assert ours == run(IterativeExecutor(status=False)) == {"calibration": {"events": 100, "energy": 4950.0}}


def test_more_executors_retry_and_convert(new_executor, tmp_path):
    """Wrapped for a second attempt and a conversion of the results."""

    def moody(n):
        if not (tmp_path / "raised").exists():
            (tmp_path / "raised").touch()
            raise OSError("not today")
        return n

    with Executors.with_retry(new_executor(spool=False), max_attempts=2, sleep=0.01).with_map(str) as wrapped:
        assert wrapped.submit(moody, 3).result() == "3"


def test_more_executors_time_out_a_running_job(pool, new_executor):
    """Its timeout cancels the future, and so removes the job."""
    executor = new_executor(spool=False)
    with Executors.with_timeout(executor, 2.0) as wrapped:
        future = wrapped.submit(time.sleep, 300)
        until(future.cancelled)
    assert pool.queue(executor) == []
