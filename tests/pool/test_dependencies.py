"""Futures as arguments: values pass from call to call, and so do failures."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import pytest
from support import until

from condor_futures import DependencyError, OutcomeError, PayloadError

pytestmark = pytest.mark.pool


def add(*numbers):
    return sum(numbers)


@pytest.mark.parametrize("spool", [True, False])
def test_a_diamond(executor, spool):
    """One call's value goes to two calls, and their values to one."""
    executor = executor.with_options(spool=spool)
    top = executor.submit(pow, 2, 3)
    left, right = executor.submit(pow, top, 2), executor.submit(pow, 3, top)
    assert executor.submit(add, left, right).result() == 64 + 6561


def test_futures_at_any_depth(executor):
    """The futures are in lists, tuples, dicts, sets, dataclasses and keywords."""

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
    """Any concurrent future may be an argument, finished or not."""
    with ThreadPoolExecutor() as threads:
        finished = threads.submit(pow, 2, 2)
        finished.result()
        later = threads.submit(lambda: time.sleep(0.5) or 5)
        assert executor.submit(add, finished, later).result() == 9


def test_the_value_of_a_strangers_future_is_shipped_like_an_argument(executor, tmp_path, monkeypatch):
    """Its class may be in a module that the execution point does not have. With ship=[], the call fails."""
    (tmp_path / "of_the_client_only.py").write_text("class Box:\n    def __init__(self, n):\n        self.n = n\n")
    monkeypatch.syspath_prepend(tmp_path)
    box = importlib.import_module("of_the_client_only").Box
    try:
        with ThreadPoolExecutor() as threads:
            stranger = threads.submit(box, 7)
            assert executor.submit(lambda box: box.n, stranger).result() == 7
            error = executor.with_options(ship=[]).submit(lambda box: box.n, stranger).exception()
            assert isinstance(error, ModuleNotFoundError)
    finally:
        del sys.modules["of_the_client_only"]


def test_a_value_that_cannot_be_sent_on_fails_the_child(executor):
    """The error has the path to it."""
    stranger = Future()
    child = executor.submit(print, stranger)
    stranger.set_result([0, (n for n in ())])
    with pytest.raises(PayloadError, match=r"\[1\] cannot be pickled"):
        child.result(60)


def test_a_value_that_cannot_be_sent_on_fails_no_other_call_of_the_chunk(new_executor, tmp_path):
    """The test uses a stranger's value that cannot be pickled, and a value of the session whose file is gone."""
    executor = new_executor(session=tmp_path / "session")
    stranger, fine, gone = Future(), executor.submit(pow, 2, 5), executor.submit(pow, 2, 3)
    assert (fine.result(60), gone.result(60)) == (32, 8)
    calls = iter([(stranger,), (fine, stranger), (gone, fine), (fine,), (7,)])
    futures = next(iter(executor._intake.submit_chunks(show, calls, 5, None)))
    gone.bundle.path("outcomes").unlink()
    stranger.set_result(threading.Lock())
    assert [type(future.exception(60)) for future in futures] == [
        PayloadError,
        PayloadError,
        OutcomeError,
        type(None),
        type(None),
    ]
    assert [future.result() for future in futures[3:]] == [(32,), (7,)]


def show(*values):
    return values


def test_a_failure_travels_to_all_descendants_and_no_others(pool, new_executor):
    """The descendants are not submitted, and the cause is the parent's exception."""
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
    """The cause is a CancelledError."""
    parent = executor.submit(time.sleep, 300)
    child = executor.submit(add, parent)
    until(parent.running)
    assert parent.cancel()
    assert isinstance(child.exception(60), DependencyError)
    assert isinstance(child.exception().__cause__, CancelledError)


def test_a_child_can_be_cancelled_while_it_waits(executor):
    """Its parent continues."""
    parent = executor.submit(lambda: time.sleep(1) or 7)
    child = executor.submit(add, parent)
    assert child.state == "pending"
    assert child.cancel()
    assert parent.result() == 7


def test_shutdown_waits_for_children(new_executor):
    """Shutdown finishes all calls submitted before it, with or without parents."""
    executor = new_executor()
    parent = executor.submit(pow, 2, 2)
    child = executor.submit(pow, parent, 2)
    executor.shutdown()
    assert child.result() == 16


def test_in_one_chunk_only_the_calls_of_a_failed_parent_fail(executor):
    """The other calls of the job return their values."""
    failing, fine = executor.submit(lambda: 1 / 0), executor.submit(pow, 2, 2)
    first, second = next(executor._intake.submit_chunks(abs, iter([(failing,), (fine,)]), 2, None))
    assert isinstance(first.exception(60), DependencyError)
    assert second.result() == 4


def test_a_fan_of_a_thousand(executor):
    """One value goes to a thousand calls, and theirs to one."""
    hub = executor.submit(abs, -3)
    chunks = executor._intake.submit_chunks(pow, ((hub, n % 5) for n in range(1000)), 250, None)
    spokes = [future for chunk in chunks for future in chunk]
    assert executor.submit(add, *spokes).result(110) == 200 * (1 + 3 + 9 + 27 + 81)


BUNDLE = 128
LEAVES = 1024


def tree(executor, poisoned=None):
    """Ten levels of sums above the leaves: the futures of each level.

    *poisoned* is the level and place of a failure.
    """

    def level_of(function, calls):
        return [
            future for chunk in executor._intake.submit_chunks(function, iter(calls), BUNDLE, None) for future in chunk
        ]

    levels = [level_of(abs, [(-n,) for n in range(LEAVES)])]
    while len(levels[-1]) > 1:
        pairs = list(zip(levels[-1][::2], levels[-1][1::2], strict=True))
        if poisoned is not None and poisoned[0] == len(levels):
            pairs[poisoned[1]] += (None,)  # which cannot be added
        levels.append(level_of(add, pairs))
    return levels


def test_a_tree_of_a_thousand_leaves(pool, new_executor):
    """The sum is right, with one job for each bundle. A failure at level 3 fails exactly its descendants."""
    executor = new_executor()
    sound = tree(executor)
    sick = tree(executor, poisoned=(3, 77))
    line = [(level, 77 >> level - 3) for level in range(3, 11)]
    assert sound[10][0].result(110) == sum(range(LEAVES))
    executor.shutdown()
    failed = sick[3][77].exception()
    assert type(failed) is TypeError
    for level, place in line[1:]:
        error = sick[level][place].exception()
        assert type(error) is DependencyError
        assert error.__cause__ is failed
        failed = error
    for levels, exempt in ((sound, []), (sick, line)):
        for level, futures in enumerate(levels):
            width = 2**level
            for place, future in enumerate(futures):
                if (level, place) not in exempt:
                    assert future.result() == sum(range(place * width, (place + 1) * width))
    jobs = sum(-(-len(futures) // BUNDLE) for futures in sound)
    # In the poisoned tree, only the bundle of the root has no call that can run.
    assert len(pool.history(executor, 2 * jobs - 1)) == 2 * jobs - 1


def test_chaining_by_as_completed(executor):
    """Each chain submits its next step when a step ends."""
    first = [executor.submit(pow, n, 2) for n in range(5)]
    second = [executor.submit(add, future, 1) for future in as_completed(first, timeout=60)]
    assert sorted(future.result() for future in second) == [1, 2, 5, 10, 17]
