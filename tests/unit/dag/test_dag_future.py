"""A future of a DAG that does not run refuses to wait."""

from __future__ import annotations

import asyncio
from concurrent.futures import TimeoutError as WaitError

import pytest

from condor_futures import as_completed, wait
from condor_futures.dag.dag_future import DagFuture


async def awaited(future):
    return await future


@pytest.mark.parametrize(
    "look",
    [
        wait,
        lambda futures: next(as_completed(futures)),
        lambda futures: asyncio.run(awaited(futures[0])),
        lambda futures: list(futures[0].tail()),
    ],
)
def test_nobody_waits_for_a_dag_that_does_not_run(new_dag, look):
    """All ways to wait raise the error, and the futures are not affected."""
    dag = new_dag()
    futures = [dag.submit(abs, -1), dag.submit(abs, -2)]
    with pytest.raises(RuntimeError, match="the DAG is not running yet"):
        look(futures)
    dag.run(local=True)
    assert {future.result() for future in wait(futures).done} == {1, 2}


@pytest.mark.parametrize("ask", [DagFuture.result, DagFuture.exception])
def test_what_is_done_is_told_though_nobody_runs_the_dag(ask):
    """Waiting also works once someone runs the DAG."""
    started = []

    def dag_is_started():
        if not started:
            raise RuntimeError("the DAG is not running yet")

    future = DagFuture("c000000", lambda _: None, dag_is_started)
    with pytest.raises(RuntimeError, match="is not running yet"):
        ask(future, 0)
    started.append(True)
    with pytest.raises(WaitError):
        ask(future, 0)
    started.clear()
    future.resolve(None, None)
    assert ask(future, 0) is None
