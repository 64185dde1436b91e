"""Whatever goes wrong, and wherever on its way, a call ends: with an error of its own, and no other call with it."""

from __future__ import annotations

import dataclasses
import faulthandler
import logging
import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor, CancelledError, wait

import pytest
from support import until

from condor_futures import (
    BrokenCondorExecutor,
    JobCrashedError,
    JobError,
    OutcomeError,
    PayloadError,
    RemoteExceptionError,
)

pytestmark = pytest.mark.pool

PATIENCE = 60
"""Seconds within which a call that would hang has shown it."""


def hazards():
    """By name, what a call may do to its Python. Local, so that they travel by value: a job cannot import a test."""

    class PlainError(Exception):
        pass

    class UnpicklableError(Exception):
        def __reduce__(self):
            raise TypeError("never pickled")

    class PicklableOnlyError(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    class DeadlyError(Exception):
        def __reduce__(self):
            return os._exit, (9,)

    def segfault():
        faulthandler.disable()
        faulthandler._sigsegv()

    def throw(error):
        raise error

    return {
        "error": lambda: throw(ValueError("plain")),
        "error of its own class": lambda: throw(PlainError("plain")),
        "error that cannot be pickled": lambda: throw(UnpicklableError("text")),
        "error that cannot be unpickled": lambda: throw(PicklableOnlyError("text", 2)),
        "exit": lambda: throw(SystemExit(3)),
        "interrupt": lambda: throw(KeyboardInterrupt("now")),
        "deadly error": lambda: throw(DeadlyError()),
        "leaving": lambda: os._exit(7),
        "segfault": segfault,
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    }


class AtPickling:
    """Does it when it is pickled."""

    def __init__(self, hazard):
        self.hazard = hazard

    def __reduce__(self):
        self.hazard()
        return int, ()


HARMLESS_HERE = [
    "error",
    "error of its own class",
    "error that cannot be pickled",
    "error that cannot be unpickled",
    "exit",
    "interrupt",
]


def at_unpickling(hazard):
    """An object that does it when it is unpickled."""

    class AtUnpickling:
        def __reduce__(self):
            return hazard, ()

    return AtUnpickling()


def a_result_that_does_it_at_pickling(hazard):
    """A function whose result does it when it is pickled."""

    class AtPickling:
        def __reduce__(self):
            hazard()
            return int, ()

    return AtPickling


def a_result_that_does_it_at_unpickling(hazard):
    """A function whose result does it when it is unpickled."""

    class AtUnpickling:
        def __reduce__(self):
            return hazard, ()

    return AtUnpickling


def dangerous_calls():
    """By (stage, hazard), all calls that are dangerous to the execution point, and those that are not deadly here."""
    calls = {}
    for name, hazard in hazards().items():
        calls["unpickling the call", name] = (id, at_unpickling(hazard))
        calls["the call", name] = (hazard,)
        calls["pickling the result", name] = (a_result_that_does_it_at_pickling(hazard),)
        if name in HARMLESS_HERE:
            calls["unpickling the result", name] = (a_result_that_does_it_at_unpickling(hazard),)
    return calls


EXPECTED = {
    "error": ValueError,
    "error of its own class": Exception,
    "error that cannot be pickled": RemoteExceptionError,
    "error that cannot be unpickled": RemoteExceptionError,
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "deadly error": JobCrashedError,
    "leaving": JobCrashedError,
    "segfault": JobCrashedError,
    "kill": JobCrashedError,
}


@pytest.fixture(scope="module")
def ends(executor):
    """What became of all dangerous calls, which were under way together."""
    futures = {case: executor.submit(*call) for case, call in dangerous_calls().items()}
    return {case: future.exception(PATIENCE) for case, future in futures.items()}


@pytest.mark.parametrize("stage", ["unpickling the call", "the call", "pickling the result"])
@pytest.mark.parametrize("hazard", EXPECTED)
def test_what_happens_on_the_execution_point_is_the_calls_error(ends, stage, hazard):
    """What was raised comes back as itself where it can be pickled; what killed its Python is a crash."""
    error = ends[stage, hazard]
    assert isinstance(error, EXPECTED[hazard])
    if hazard == "error of its own class":
        assert type(error).__name__ == "PlainError"
    elif hazard == "segfault":
        assert error.signal == signal.SIGSEGV
    elif hazard == "leaving":
        assert error.exit_status == 7


@pytest.mark.parametrize("hazard", HARMLESS_HERE)
def test_what_happens_when_a_result_is_unpickled_here_is_an_outcome_error(ends, hazard):
    """Its cause is what was raised, even what would end a thread."""
    error = ends["unpickling the result", hazard]
    assert isinstance(error, OutcomeError)
    assert error.__cause__ is not None


def test_the_executor_is_none_the_worse(executor, ends):
    """It makes the next call."""
    assert executor.submit(pow, 2, 5).result(PATIENCE) == 32


@pytest.mark.parametrize("hazard", HARMLESS_HERE)
def test_what_happens_when_a_call_is_pickled_is_its_error(executor, hazard):
    """An error is the future's; an exit or an interrupt is whose thread it is."""
    culprit = AtPickling(hazards()[hazard])
    if hazard in ("exit", "interrupt"):
        with pytest.raises(EXPECTED[hazard]):
            executor.submit(id, culprit)
    else:
        error = executor.submit(id, culprit).exception(PATIENCE)
        assert isinstance(error, PayloadError)
        assert error.__cause__ is not None


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


@pytest.mark.parametrize("options", [{"wait": False}, {"wait": False, "cancel_futures": True}], ids=str)
def test_a_shutdown_that_races_them_hangs_nothing(new_executor, options):
    """Every future ends, and so does the executor."""
    executor = new_executor()
    futures = [executor.submit(*call) for call in dangerous_calls().values()]
    futures += [executor.submit(id, AtPickling(hazards()["error"])) for _ in range(3)]
    executor.shutdown(**options)
    done, not_done = wait(futures, PATIENCE)
    assert not not_done
    executor.shutdown()
    assert all(future.cancelled() or isinstance(future.exception(), BaseException) for future in done)


def test_calls_that_crash_while_the_executor_shuts_down_end(new_executor):
    """They were running when it began."""
    executor = new_executor()

    def later(hazard):
        time.sleep(0.5)
        hazard()

    futures = [executor.submit(later, hazard) for hazard in hazards().values()]
    until(lambda: any(future.running() for future in futures))
    executor.shutdown(cancel_futures=True)
    assert all(future.done() for future in futures)


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
