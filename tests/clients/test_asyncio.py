"""asyncio: await, gather, time out and cancel calls. The jobs of cancelled calls leave the queue."""

from __future__ import annotations

import asyncio
import operator
import sys
import time

import pytest
from support import until

from condor_futures import RemoteTraceback

pytestmark = pytest.mark.pool


async def running(pool, executor):
    """Wait until a job of the executor runs, without blocking the event loop."""
    await asyncio.to_thread(until, lambda: jobs(pool, executor))


def jobs(pool, executor):
    return [ad for ad in pool.queue(executor) if ad["JobStatus"] == 2]


def test_calls_are_awaited_and_gathered(unspooled, processes):
    """gather() returns the results in the order of the calls."""

    async def main(executor):
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(executor, operator.add, 1, 2) == 3
        return await asyncio.gather(*(loop.run_in_executor(executor, pow, n, 2) for n in range(5)))

    assert asyncio.run(main(unspooled)) == asyncio.run(main(processes)) == [0, 1, 4, 9, 16]


def test_an_awaited_call_raises_with_its_remote_traceback(unspooled):
    """The exception and its cause are those of the future."""

    async def main():
        with pytest.raises(ZeroDivisionError) as raised:
            await asyncio.get_running_loop().run_in_executor(unspooled, divmod, 1, 0)
        assert isinstance(raised.value.__cause__, RemoteTraceback)

    asyncio.run(main())


def test_the_event_loop_goes_on_while_a_call_runs(unspooled, tmp_path):
    """The call waits for a file, which the event loop creates while it waits for the call."""
    go = tmp_path / "go"

    def wait_for(path):
        while not path.exists():
            time.sleep(0.02)
        return "went"

    async def main():
        future = unspooled.submit(wait_for, go)
        awaited = asyncio.ensure_future(asyncio.wrap_future(future))
        await asyncio.to_thread(until, future.running)
        go.touch()
        return await awaited

    assert asyncio.run(main()) == "went"


def test_cancelling_the_task_removes_the_running_job(pool, new_executor):
    """With ProcessPoolExecutor, the call would continue."""
    executor = new_executor(spool=False)

    async def main():
        task = asyncio.ensure_future(asyncio.wrap_future(executor.submit(time.sleep, 300)))
        await running(pool, executor)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    until(lambda: not jobs(pool, executor))


def test_a_timeout_removes_the_running_job(pool, new_executor):
    """wait_for() cancels the future, and the executor removes the job."""
    executor = new_executor(spool=False)

    async def main():
        call = asyncio.get_running_loop().run_in_executor(executor, time.sleep, 300)
        await running(pool, executor)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call, 0.1)

    asyncio.run(main())
    until(lambda: not jobs(pool, executor))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no TaskGroup")
def test_a_failed_task_has_its_siblings_jobs_removed(pool, new_executor):
    """A task group cancels the other calls, even a running one."""
    executor = new_executor(spool=False)

    async def call(fn, *args):
        return await asyncio.get_running_loop().run_in_executor(executor, fn, *args)

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(call(time.sleep, 300))
            await running(pool, executor)
            group.create_task(call(divmod, 1, 0))

    with pytest.raises(ExceptionGroup) as raised:  # noqa: F821 - not in Python 3.10, where the test is skipped
        asyncio.run(main())
    assert [type(error) for error in raised.value.exceptions] == [ZeroDivisionError]
    until(lambda: not jobs(pool, executor))
