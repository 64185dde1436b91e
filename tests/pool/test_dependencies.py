"""Futures as arguments: values travel from call to call, and so do failures."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import pytest
from support import until

from condor_futures import DependencyError, PayloadError

pytestmark = pytest.mark.pool


def add(*numbers):
    return sum(numbers)


@pytest.mark.parametrize("spool", [True, False])
def test_a_diamond(executor, spool):
    """One call's value goes to two, and theirs to one."""
    executor = executor.with_options(spool=spool)
    top = executor.submit(pow, 2, 3)
    left, right = executor.submit(pow, top, 2), executor.submit(pow, 3, top)
    assert executor.submit(add, left, right).result() == 64 + 6561


def test_futures_at_any_depth(executor):
    """In lists, tuples, dicts, sets, dataclasses and keywords."""

    @dataclass
    class Box:
        content: object

    one, two, three, four = (executor.submit(abs, -n) for n in (1, 2, 3, 4))
    call = executor.submit(
        lambda a, *, b: (a, b["x"][0], sorted(b["s"]), b["box"].content),
        (one, [two]),
        b={"x": (three,), "s": {four}, "box": Box([one])},
    )
    assert call.result() == ((1, [2]), 3, [4], [1])


def test_futures_of_other_executors(executor):
    """Any concurrent future will do, finished or not."""
    with ThreadPoolExecutor() as threads:
        finished = threads.submit(pow, 2, 2)
        finished.result()
        later = threads.submit(lambda: time.sleep(0.5) or 5)
        assert executor.submit(add, finished, later).result() == 9


def test_a_value_that_cannot_be_sent_on_fails_the_child(executor):
    """With the path to it."""
    stranger = Future()
    child = executor.submit(print, stranger)
    stranger.set_result([0, (n for n in ())])
    with pytest.raises(PayloadError, match=r"\[1\] cannot be pickled"):
        child.result(60)


def test_a_failure_travels_to_all_descendants_and_no_others(pool, new_executor):
    """They are not submitted, and the cause is the parent's exception."""
    executor = new_executor()
    fine = executor.submit(pow, 2, 2)
    failing = executor.submit(lambda x: x / 0, fine)
    child = executor.submit(add, failing, fine)
    grandchild = executor.submit(add, child)
    sibling = executor.submit(add, fine, 1)
    assert sibling.result() == 5
    assert isinstance(failing.exception(), ZeroDivisionError)
    assert isinstance(child.exception(), DependencyError)
    assert child.exception().__cause__ is failing.exception()
    assert isinstance(grandchild.exception(), DependencyError)
    assert grandchild.exception().__cause__ is child.exception()
    assert child.job_id is None
    executor.shutdown()
    assert len(pool.history(executor, 3)) == 3


def test_a_cancelled_parent_fails_its_children(executor):
    """Their cause is a CancelledError."""
    parent = executor.submit(time.sleep, 300)
    child = executor.submit(add, parent)
    until(parent.running)
    assert parent.cancel()
    assert isinstance(child.exception(60), DependencyError)
    assert isinstance(child.exception().__cause__, CancelledError)


def test_a_child_can_be_cancelled_while_it_waits(executor):
    """Its parent goes on."""
    parent = executor.submit(lambda: time.sleep(1) or 7)
    child = executor.submit(add, parent)
    assert child.state == "pending"
    assert child.cancel()
    assert parent.result() == 7


def test_shutdown_waits_for_children(new_executor):
    """What was submitted before it is done, dependent or not."""
    executor = new_executor()
    parent = executor.submit(pow, 2, 2)
    child = executor.submit(pow, parent, 2)
    executor.shutdown()
    assert child.result() == 16


def test_in_one_chunk_only_the_calls_of_a_failed_parent_fail(executor):
    """The others of the job have their values."""
    failing, fine = executor.submit(lambda: 1 / 0), executor.submit(pow, 2, 2)
    first, second = next(executor._submit_chunks(abs, iter([(failing,), (fine,)]), 2, None))
    assert isinstance(first.exception(60), DependencyError)
    assert second.result() == 4


def test_a_tree_of_a_thousand_leaves(pool, new_executor):
    """Ten levels of sums in bundles end right; all calls of one level are few jobs."""
    executor = new_executor()
    level = [f for chunk in executor._submit_chunks(abs, iter([(n,) for n in range(1024)]), 128, None) for f in chunk]
    jobs = 8
    while len(level) > 1:
        pairs = iter(list(zip(level[::2], level[1::2], strict=True)))
        jobs += -(-len(level) // 2 // 128) or 1
        level = [f for chunk in executor._submit_chunks(add, pairs, 128, None) for f in chunk]
    assert level[0].result(110) == sum(range(1024))
    executor.shutdown()
    assert len(pool.history(executor, jobs)) == jobs


def test_chaining_by_as_completed(executor):
    """The next step of each is submitted as it ends."""
    first = [executor.submit(pow, n, 2) for n in range(5)]
    second = [executor.submit(add, future, 1) for future in as_completed(first, timeout=60)]
    assert sorted(future.result() for future in second) == [1, 2, 5, 10, 17]
