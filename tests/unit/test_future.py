"""A CondorFuture is a concurrent.futures.Future, except that cancel() can do more. It also knows its job."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, CancelledError, Future, as_completed, wait
from concurrent.futures._base import CANCELLED_AND_NOTIFIED
from dataclasses import replace

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.future import CondorFuture, Written
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Job, State

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def told():
    """The futures whose cancellation the executor was told."""
    return []


@pytest.fixture
def future(told):
    return CondorFuture("c000000", told.append)


@pytest.fixture
def bundle(tmp_path, future):
    """The future's bundle, with a job in the queue."""
    bundle = Bundle(
        "b000000",
        tmp_path,
        Options({}, spool=True),
        {future.key: future},
        Job("b000000", spooled=True, state=State.IDLE, job_id="7.0"),
    )
    future.bundle = bundle
    return bundle


def done(value=1):
    future = CondorFuture("c000001")
    future.resolve(value, None)
    return future


def failed(error=None):
    future = CondorFuture("c000002")
    future.resolve(None, error or ValueError("no"))
    return future


# Cancelling.


@pytest.mark.parametrize("running", [False, True], ids=["pending", "running"])
def test_call_can_be_cancelled_also_while_it_runs(future, told, running):
    """Its job can be removed, so cancel() returns True where the standard library's returns False."""
    if running:
        future.mark_running()
        assert future.running()
    assert future.cancel() is True
    assert future.cancelled()
    assert future.done()
    assert not future.running()
    assert told == [future]
    with pytest.raises(CancelledError):
        future.result()
    with pytest.raises(CancelledError):
        future.exception()


def test_second_cancel_is_true_and_tells_nobody(future, told):
    assert [future.cancel(), future.cancel()] == [True, True]
    assert told == [future]


@pytest.mark.parametrize("make", [done, failed])
def test_call_that_has_ended_cannot_be_cancelled(make):
    future = make()
    assert future.cancel() is False
    assert not future.cancelled()


def test_waiting_ends_with_a_cancellation(future):
    """wait() and as_completed() notice it, although no executor acknowledges it afterwards."""
    future.cancel()
    assert wait([future], return_when=ALL_COMPLETED).done == {future}
    assert list(as_completed([future])) == [future]


@pytest.mark.parametrize("running", [False, True], ids=["pending", "running"])
def test_cancellation_wakes_whoever_waits(running):
    """The threads already wait, one in each of the three ways."""
    futures = [CondorFuture(f"c{number}") for number in range(3)]
    other = CondorFuture("other")
    if running:
        for future in futures:
            future.mark_running()
    results = []

    def result():
        with pytest.raises(CancelledError):
            futures[0].result()
        results.append("result")

    def first():
        results.append(wait([futures[1], other], return_when=FIRST_COMPLETED).done == {futures[1]})

    def completed():
        results.append(next(as_completed([futures[2], other])) is futures[2])

    threads = [threading.Thread(target=waits) for waits in (result, first, completed)]
    for thread in threads:
        thread.start()
    for future in futures:
        future.cancel()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == [True, True, "result"]
    assert not other._waiters


def test_callbacks_run_once_when_it_is_cancelled(future):
    seen = []
    future.add_done_callback(seen.append)
    future.cancel()
    future.cancel()
    future.resolve(1, None)
    assert seen == [future]
    future.add_done_callback(seen.append)
    assert seen == [future, future]


def test_callback_may_cancel(future, told):
    """A callback that cancels again neither deadlocks nor counts twice."""
    future.add_done_callback(lambda cancelled: cancelled.cancel())
    assert future.cancel()
    assert told == [future]


def test_executor_is_told_of_a_cancellation_that_is_complete():
    """When the executor is told, no thread can set a result any more."""
    states = []
    CondorFuture("c000000", lambda cancelled: states.append(cancelled._state)).cancel()
    assert states == [CANCELLED_AND_NOTIFIED]


def test_asyncio_waits_for_it(future):
    """It works in both directions: the result arrives, and a cancelled task cancels the call."""

    async def main():
        wrapped = asyncio.wrap_future(future)
        threading.Thread(target=future.resolve, args=("value", None)).start()
        return await wrapped

    assert asyncio.run(main()) == "value"


def test_it_can_be_awaited(future):
    """Alone, and by the functions of asyncio that take awaitables; more than once."""

    async def main():
        threading.Thread(target=future.resolve, args=("value", None)).start()
        assert await future == "value"
        assert await asyncio.gather(future, done("other")) == ["value", "other"]
        with pytest.raises(KeyError):
            await failed(KeyError("key"))

    asyncio.run(main())


@pytest.mark.parametrize("wrap", [asyncio.wrap_future, asyncio.ensure_future])
def test_cancelled_task_cancels_the_call(future, told, wrap):
    async def main():
        future.mark_running()
        task = asyncio.ensure_future(asyncio.wait_for(wrap(future), None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert future.cancelled()
    assert told == [future]


def test_a_name_is_in_its_texts(future):
    future.name = "fit-3"
    assert repr(future).endswith("state=pending, call c000000 'fit-3' pending>")
    assert "fit-3" in future._repr_html_()


# Resolving.


def test_value_and_error(future):
    assert done("value").result() == "value"
    error = KeyError("key")
    assert failed(error).exception() is error
    assert isinstance(future, Future)


def test_outcome_that_comes_after_the_cancellation_is_dropped(future):
    """The job may have ended during the cancellation. That is no error, and changes nothing."""
    future.cancel()
    future.resolve("late", None)
    future.resolve(None, ValueError("late"))
    assert future.cancelled()
    with pytest.raises(CancelledError):
        future.result()


def test_first_outcome_counts():
    future = done("first")
    future.resolve("second", None)
    future.resolve(None, ValueError("third"))
    assert (future.result(), future.exception()) == ("first", None)


def test_running_is_said_only_of_what_may_run(future):
    """An execute event may be repeated, or come after the end."""
    for _ in range(2):
        future.mark_running()
        assert future.running()
    over = [done(), failed()]
    for each in over:
        each.mark_running()
        assert each.done()
    future.cancel()
    future.mark_running()
    assert future.cancelled()


def test_cancelling_and_resolving_at_once_has_one_winner():
    """cancel() returns True if and only if the future is cancelled, and the callbacks run once."""
    for _ in range(300):
        seen, said, start = [], [], threading.Barrier(3)
        future = CondorFuture("c000000")
        future.add_done_callback(seen.append)

        def resolve(future=future, start=start):
            start.wait()
            future.mark_running()
            future.resolve("value", None)

        def cancel(future=future, start=start, said=said):
            start.wait()
            said.append(future.cancel())

        threads = [threading.Thread(target=resolve), threading.Thread(target=cancel), threading.Thread(target=cancel)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == [future.cancelled()] * 2
        assert future.cancelled() or future.result() == "value"
        assert seen == [future]


# The future's information about its job.

WORDS = {"pending", "idle", "running", "completed", "done", "failed", "cancelled"}


@pytest.mark.parametrize(
    "state",
    [
        State.PENDING,
        State.IDLE,
        State.RUNNING,
        State.COMPLETED,
        State.ENDED,
        State.DISCARDED,
    ],
    ids=lambda state: state.value,
)
def test_state_is_a_word_of_the_documentation(future, bundle, state):
    """The job may be in any state while the future is not done."""
    bundle.job = replace(bundle.job, state=state)
    assert future.state in WORDS
    if state not in (State.ENDED, State.DISCARDED):
        assert future.state == state.value


def test_state_of_a_call_whose_job_ended_is_completed(future, bundle):
    """The client still reads its outcome: the call is neither running nor done."""
    bundle.job = replace(bundle.job, state=State.ENDED)
    assert future.state == "completed"


def test_state_when_it_is_over(future, bundle):
    """The end of the future counts, not the job's state: a bundle's job may continue for others."""
    bundle.job = replace(bundle.job, state=State.RUNNING)
    future.cancel()
    assert future.state == "cancelled"
    assert done().state == "done"
    assert failed().state == "failed"
    assert failed(SystemExit()).state == "failed"


def test_call_that_is_not_in_the_queue_yet_knows_nothing(future):
    assert (future.state, future.job_id, future.host) == ("pending", None, None)
    assert (future.stdout(), future.stderr()) == ("", "")


def test_job_and_host(future, bundle):
    assert (future.job_id, future.host) == ("7.0", None)
    bundle.job = replace(bundle.job, host="ep1.example.org")
    assert future.host == "ep1.example.org"


def test_output_is_the_calls_own_part(future, bundle):
    """The range in the outcome selects the part of the job's files. Without a range, it is all output."""
    assert future.stdout() == ""
    bundle.path("stdout").write_bytes(b"before mine \xff after")
    bundle.path("stderr").write_bytes(b"all of it")
    assert future.stdout() == "before mine � after"
    bundle.stream_ranges[future.key] = {"stdout": [7, 13], "stderr": [None, None]}
    assert future.stdout() == "mine �"
    assert future.stderr() == "all of it"


def test_output_of_a_call_that_wrote_nothing_is_empty(future, bundle):
    bundle.path("stdout").write_bytes(b"of others")
    bundle.stream_ranges[future.key] = {"stdout": [9, 9]}
    assert future.stdout() == ""
    bundle.stream_ranges[future.key] = {"stdout": [0, 0]}
    assert future.stdout() == ""


# Following the output.


def test_its_output_is_followed_until_it_ends(future, bundle):
    """Here, in one thread: each part is written when the one before has been read."""
    bundle.attempt = bundle.directory / "0"
    live = bundle.attempt.with_suffix(".stdout")
    live.write_text("step 1\n")
    tail = future.tail()
    assert next(tail) == "step 1\n"
    with live.open("a") as file:
        file.write("step 2\n")
    assert next(tail) == "step 2\n"
    live.write_text("step 1\nstep 2\nstep 3\nof the next call\n")
    future.written = Written(live.with_suffix(".outcomes"), 0, "", {"stdout": [0, 21]})
    future.resolve(1, None)
    assert list(tail) == ["step 3\n"]
    assert "".join(future.tail()) == future.stdout() == "step 1\nstep 2\nstep 3\n"
    assert list(future.tail("stderr")) == []


def test_the_output_of_a_job_without_a_line_comes_at_the_end(future, bundle):
    """A file of an earlier attempt may be there before. If the call crashed, nobody knows which part is its own."""
    bundle.path("stderr").write_bytes(b"at last\xff")
    timer = threading.Timer(0.1, future.resolve, (None, ValueError("no")))
    timer.start()
    assert "".join(future.tail("stderr")) == "at last\ufffd"
    timer.join()


def test_following_ends_with_a_cancellation_and_does_not_begin_one(future, told, monkeypatch):
    """A call may be followed before it has a job. Ctrl-C ends the loop, and does nothing to the call."""
    tail = future.tail()
    timer = threading.Timer(0.1, future.cancel)
    timer.start()
    assert list(tail) == []
    timer.join()
    other = CondorFuture("c000001", told.append)
    monkeypatch.setattr("time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(other.tail())
    assert (other.state, told) == ("pending", [future])


def interrupt(_):
    raise KeyboardInterrupt


def test_there_are_two_streams(future):
    """A mistake is noticed at once, not in the loop."""
    with pytest.raises(ValueError, match="stream must be 'stdout' or 'stderr', not 'output'"):
        future.tail("output")


# The future's representation.


def test_its_repr_has_the_call_and_the_job(future, bundle):
    """The format continues that of the standard library. If no job will follow, there is nothing else."""
    assert re.fullmatch(r"<CondorFuture at 0x[0-9a-f]+ state=pending, call c000000 idle, job 7\.0>", repr(future))
    future.resolve(4, None)
    assert repr(future).endswith(" state=finished returned int, call c000000 done, job 7.0>")
    bundle.job = Job("b000000", spooled=True)
    bundle.futures["c000003"] = waits = CondorFuture("c000003")
    waits.bundle = bundle
    assert repr(waits).endswith(" state=pending, call c000003 pending>")
    waits.cancel()
    assert repr(waits).endswith(", call c000003 cancelled>")
    assert repr(failed()).endswith(" state=finished raised ValueError>")


def test_a_lock_that_an_interruption_left_is_released():
    """Of this thread only, however often it took the lock."""
    future = CondorFuture("c000000")
    future._condition.acquire()
    future._condition.acquire()
    future.let_go()
    resolver = threading.Thread(target=lambda: future.resolve(1, None), daemon=True)
    resolver.start()
    resolver.join(30)
    assert future.result(0) == 1
    with future._condition:
        other = threading.Thread(target=future.let_go)
        other.start()
        other.join(30)
        assert not other.is_alive()
        with pytest.raises(RuntimeError):
            future._condition.release() or future._condition.release()
        future._condition.acquire()
