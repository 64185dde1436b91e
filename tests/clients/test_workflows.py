"""dask, joblib, pipefunc, coffea and more-executors: graphs, merges and retries made of calls."""

from __future__ import annotations

import operator
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import dask
import dask.array
import joblib
import numpy as np
import pipefunc
import pytest
import recipes
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import FuturesExecutor, Runner
from more_executors import Executors
from recipes import Totals, add, double, total
from support import until

pytestmark = pytest.mark.pool


def test_dask_computes_an_array(unspooled, processes):
    """The array has all its numbers."""
    array = dask.array.arange(40, chunks=20)
    spread = array**2 - array.mean()
    ours, theirs = (spread.compute(scheduler=executor) for executor in (unspooled, processes))
    np.testing.assert_array_equal(ours, theirs)


def test_dask_computes_a_graph_of_delayed_calls(unspooled, processes):
    """Each call runs when its predecessors are done, and an exception is raised unchanged."""
    delayed = dask.delayed(add)
    graph = delayed(delayed(1, 2), delayed(3, 4))
    for executor in (unspooled, processes):
        assert graph.compute(scheduler=executor) == 10
        with pytest.raises(TypeError, match="unsupported operand"):
            delayed(1, "metres").compute(scheduler=executor)


def test_dask_uses_an_executor_that_was_set(unspooled):
    """dask.config.set(scheduler=executor), with limits from its max_workers."""
    with dask.config.set(scheduler=unspooled):
        assert dask.compute(dask.delayed(operator.mul)(6, 7), dask.delayed(abs)(-1)) == (42, 1)


def test_joblib_makes_calls_of_its_batches(unspooled, monkeypatch):
    """The backend is that of the recipe, and an exception is raised unchanged."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "use-with-other-libraries.md"
    recipe = page.read_text().partition("## joblib")[2].partition("```python\n")[2].partition("```")[0]
    monkeypatch.setattr(joblib.parallel, "BACKENDS", dict(joblib.parallel.BACKENDS))
    exec(recipe, {"__name__": "recipe", "executor": unspooled})
    calls = [joblib.delayed(add)(n, 0.5) for n in range(20)]
    with joblib.parallel_config("loky", n_jobs=2):
        theirs = joblib.Parallel()(calls)
    with joblib.parallel_config("condor", executor=unspooled, n_jobs=8):
        assert joblib.Parallel(batch_size=5)(calls) == theirs
        assert list(joblib.Parallel(return_as="generator")(calls[:3])) == theirs[:3]
        with pytest.raises(ZeroDivisionError):
            joblib.Parallel()(joblib.delayed(divmod)(n, 0) for n in range(3))


def test_pipefunc_maps_a_pipeline(unspooled, processes):
    """A map and a reduction. Nothing is written to a place that only the client can read."""
    steps = [
        pipefunc.PipeFunc(double, output_name="y", mapspec="x[i] -> y[i]"),
        pipefunc.PipeFunc(total, output_name="total"),
    ]
    for executor in (unspooled, processes):
        pipeline = pipefunc.Pipeline(steps)
        results = pipeline.map({"x": [1, 2, 3]}, executor=executor, storage="dict", chunksizes=1)
        assert list(results["y"].output) == [2, 4, 6]
        assert results["total"].output == 12


def test_coffea_processes_a_file(unspooled, processes, tmp_path):
    """The Runner preprocesses, processes and merges with the executor as its pool."""
    # coffea pickles the processor itself, by reference, so the module has to travel as a file.
    unspooled = unspooled.with_options(ship=["auto", Path(recipes.__file__)])
    with uproot.recreate(tmp_path / "events.root") as file:
        file["Events"] = {"energy": np.arange(100.0)}
    files = {"calibration": {"files": {str(tmp_path / "events.root"): "Events"}}}

    def run(executor):
        return Runner(executor=executor, schema=BaseSchema, chunksize=50, metadata_cache={})(
            files, processor_instance=Totals()
        )

    ours, theirs = (run(FuturesExecutor(pool=executor, status=False)) for executor in (unspooled, processes))
    assert ours == theirs == {"calibration": {"events": 100, "energy": 4950.0}}


def test_more_executors_compose(new_executor):
    """One conversion takes the result of another."""

    def compute(executor):
        with Executors.with_flat_map(executor, lambda n: executor.submit(pow, n, 3)).with_map(str) as wrapped:
            return [future.result() for future in [wrapped.submit(add, n, 1) for n in range(3)]]

    theirs = compute(ProcessPoolExecutor(2, mp_context=get_context("spawn")))
    assert compute(new_executor(spool=False)) == theirs == ["1", "8", "27"]


def test_more_executors_retry_and_convert(new_executor, tmp_path):
    """The executor is wrapped for a second attempt and a conversion of the results."""

    def moody(n):
        if not (tmp_path / "raised").exists():
            (tmp_path / "raised").touch()
            raise OSError("not today")
        return n

    with Executors.with_retry(new_executor(spool=False), max_attempts=2, sleep=0.01).with_map(str) as wrapped:
        assert wrapped.submit(moody, 3).result() == "3"


def test_more_executors_time_out_a_running_job(pool, new_executor):
    """The timeout cancels the future, and so removes the job."""
    executor = new_executor(spool=False)
    with Executors.with_timeout(executor, 2.0) as wrapped:
        future = wrapped.submit(time.sleep, 300)
        until(future.cancelled)
    assert pool.queue(executor) == []
