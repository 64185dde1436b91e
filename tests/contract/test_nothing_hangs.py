"""Every call ends, and costs no other call, whatever initializers, callbacks, exceptions and culprits do."""

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
"""Seconds within which a hanging call can be recognised."""


def test_a_culprit_that_cannot_even_be_shown_is_still_a_payload_error(executor):
    """Its repr(), items() and attributes may do anything."""

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
    """An exception breaks the executor. If the initializer kills Python, its calls fail."""
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
    """Later callbacks and all other calls still run, even after an exception that would end a thread elsewhere."""
    executor = new_executor()
    called = []

    def throw(error):
        raise error

    for error in (ValueError("in a callback"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()):
        future = executor.submit(time.sleep, 0.2)
        future.add_done_callback(lambda _, error=error: throw(error))
        future.add_done_callback(called.append)
        assert future.result(PATIENCE) is None
        assert executor.submit(pow, 2, 2).result(60) == 4, f"after {error!r}"
        if isinstance(error, Exception):
            assert called == [future]
            assert [record.name for record in caplog.records if record.exc_info] == ["concurrent.futures"]
            assert caplog.records[-1].levelno == logging.ERROR


def test_callbacks_of_cancelled_calls_harm_nobody_either(new_executor):
    """A shutdown cancels the calls, and their callbacks may raise anything."""
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
    """The callback may even wait for another call."""
    executor = new_executor(max_workers=1)
    running, waiting = executor.submit(time.sleep, 2), executor.submit(pow, 2, 2)
    until(running.running)
    waited = []
    waiting.add_done_callback(lambda _: waited.append(wait([running], 20).done))
    executor.shutdown(cancel_futures=True)
    assert waited == [{running}]


def test_a_callback_may_shut_the_executor_down(new_executor):
    """It may use wait=True, with which it would wait for itself."""
    executor = new_executor()
    future, other = executor.submit(pow, 2, 2), executor.submit(time.sleep, 1)
    ended = threading.Event()
    future.add_done_callback(lambda _: (executor.shutdown(), ended.set()))
    assert ended.wait(PATIENCE)
    assert other.result(PATIENCE) is None


def test_exceptions_that_refuse_attributes_come_back(executor):
    """Some exceptions do not allow any attribute to be set, even their cause."""

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

    # Pickle itself cannot restore a frozen exception. Its name and text are kept.
    error = executor.submit(frozen).exception(PATIENCE)
    assert isinstance(error, RemoteExceptionError)
    assert error.type_name.endswith("FrozenError")
    assert type(executor.submit(without_cause).exception(PATIENCE)).__name__ == "NoCauseError"


def test_a_call_that_raises_our_own_errors_fails_alone(new_executor):
    """A call may use an executor itself, and fail with its error."""
    executor = new_executor()

    def throw(error):
        raise error

    errors = [BrokenCondorExecutor("of another executor"), CancelledError(), JobCrashedError("another job")]
    futures = [executor.submit(throw, error) for error in errors]
    for future, error in zip(futures, errors, strict=True):
        assert type(future.exception(PATIENCE)) is type(error)
        assert not future.cancelled()
    assert executor.submit(pow, 2, 2).result(PATIENCE) == 4
