"""Whatever initializers, callbacks, exceptions and culprits do, a call ends, and no other call with it."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from concurrent.futures import BrokenExecutor, CancelledError, wait

import pytest
from hazards import EXPECTED, hazards
from support import until

from condor_futures import BrokenCondorExecutor, JobCrashedError, JobError, PayloadError, RemoteExceptionError

pytestmark = pytest.mark.pool

PATIENCE = 60
"""Seconds within which a call that would hang has shown it."""


def test_a_culprit_that_cannot_even_be_shown_is_still_a_payload_error(executor):
    """Whatever its repr(), its items() or its attributes do."""

    class Unprintable:
        def __repr__(self):
            raise RuntimeError("no text")

    class Broken(dict):
        def items(self):
            raise RuntimeError("no items")

        def __reduce__(self):
            raise TypeError("never pickled")

    for culprit in ({Unprintable(): threading.Lock()}, {Unprintable(), threading.get_ident}, Broken()):
        future = executor.submit(id, [culprit, threading.Lock()])
        assert isinstance(future.exception(PATIENCE), PayloadError)


@pytest.mark.parametrize("hazard", EXPECTED)
def test_an_initializer_that_fails_hangs_nothing(new_executor, hazard):
    """Raising breaks the executor; what kills its Python fails its calls."""
    executor = new_executor(initializer=hazards()[hazard], max_workers=2)
    futures = [executor.submit(pow, 2, n) for n in range(2)]
    for future in futures:
        error = future.exception(PATIENCE)
        if EXPECTED[hazard] is JobCrashedError and hazard != "deadly error":
            assert isinstance(error, JobError | BrokenExecutor)
        elif hazard == "deadly error":
            assert error is not None
        else:
            assert isinstance(error, BrokenCondorExecutor)


def test_callbacks_that_raise_are_logged_and_harm_nobody(new_executor, caplog):
    """The callbacks after them, and all other calls, go on; even after what ends a thread elsewhere."""
    executor = new_executor()
    called = []

    def throw(error):
        raise error

    for error in (ValueError("in a callback"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()):
        future = executor.submit(time.sleep, 0.2)
        future.add_done_callback(lambda _, error=error: throw(error))
        future.add_done_callback(called.append)
        assert future.result(PATIENCE) is None
        assert executor.submit(pow, 2, 2).result(20) == 4, f"after {error!r}"
        if isinstance(error, Exception):
            assert called == [future]
            assert [record.name for record in caplog.records if record.exc_info] == ["concurrent.futures"]
            assert caplog.records[-1].levelno == logging.ERROR


def test_callbacks_of_cancelled_calls_harm_nobody_either(new_executor):
    """A shutdown cancels; its callbacks may raise what they like."""
    executor = new_executor(max_workers=1)
    running, waiting = executor.submit(time.sleep, 2), executor.submit(pow, 2, 2)
    until(running.running)

    def leave(_):
        raise SystemExit(3)

    waiting.add_done_callback(leave)
    executor.shutdown(wait=False, cancel_futures=True)
    assert running.exception(PATIENCE) is None
    assert waiting.cancelled()


def test_a_slow_callback_of_a_cancelled_call_holds_up_nobody(new_executor):
    """It may even wait for another call."""
    executor = new_executor(max_workers=1)
    running, waiting = executor.submit(time.sleep, 2), executor.submit(pow, 2, 2)
    until(running.running)
    waited = []
    waiting.add_done_callback(lambda _: waited.append(wait([running], 20).done))
    executor.shutdown(cancel_futures=True)
    assert waited == [{running}]


def test_a_callback_may_shut_the_executor_down(new_executor):
    """With wait=True, where it could only wait for itself."""
    executor = new_executor()
    future, other = executor.submit(pow, 2, 2), executor.submit(time.sleep, 1)
    ended = threading.Event()
    future.add_done_callback(lambda _: (executor.shutdown(), ended.set()))
    assert ended.wait(PATIENCE)
    assert other.result(PATIENCE) is None


def test_exceptions_that_refuse_attributes_come_back(executor):
    """Nothing can be set on some exceptions, not even their cause."""

    @dataclasses.dataclass(frozen=True)
    class FrozenError(Exception):
        code: int

    class NoCauseError(Exception):
        def __setattr__(self, name, value):
            if name == "__cause__":
                raise AttributeError(name)
            super().__setattr__(name, value)

    def frozen():
        raise FrozenError(4)

    def without_cause():
        raise NoCauseError("text")

    # Pickle itself cannot make a frozen one again; its name and text are kept.
    error = executor.submit(frozen).exception(PATIENCE)
    assert isinstance(error, RemoteExceptionError)
    assert error.type_name.endswith("FrozenError")
    assert type(executor.submit(without_cause).exception(PATIENCE)).__name__ == "NoCauseError"


def test_a_call_that_raises_our_own_errors_fails_alone(new_executor):
    """A call may use an executor itself, and fail as that fails."""
    executor = new_executor()

    def throw(error):
        raise error

    errors = [BrokenCondorExecutor("of another executor"), CancelledError(), JobCrashedError("another job")]
    futures = [executor.submit(throw, error) for error in errors]
    for future, error in zip(futures, errors, strict=True):
        assert type(future.exception(PATIENCE)) is type(error)
        assert not future.cancelled()
    assert executor.submit(pow, 2, 2).result(PATIENCE) == 4
