"""Every call ends, whatever happens while the call or its result is pickled, runs or is unpickled, and costs no other.

There is one table: every hazard of ``tests/hazards.py`` at every stage of a call, spooled and unspooled, and during
every kind of shutdown. Then come the same stages with 100 MB. ``repeat_deadlocks.py`` runs this file repeatedly.
"""

from __future__ import annotations

import signal
import threading
import time
import tracemalloc
from concurrent.futures import wait

import numpy as np
import pytest
from hazards import EXPECTED, HARMLESS_HERE, hazards
from support import until

from condor_futures import OutcomeError, PayloadError

pytestmark = pytest.mark.pool

PATIENCE = 50
"""Seconds within which a hanging call can be recognised."""

HUGE = 100_000_000
"""Bytes."""


def at_pickling(hazard):
    """An object that triggers the hazard when it is pickled."""

    class AtPickling:
        def __reduce__(self):
            hazard()
            return int, ()

    return AtPickling()


def at_unpickling(hazard):
    """An object that triggers the hazard when it is unpickled."""

    class AtUnpickling:
        def __reduce__(self):
            return hazard, ()

    return AtUnpickling()


def a_result(make):
    """Return a function whose result is an object made by *make*."""

    def function(hazard):
        return make(hazard)

    return function


#: By stage: a function, and another that makes its argument from a hazard.
REMOTE = {
    "unpickling the call": (id, at_unpickling),
    "the call": (lambda hazard: hazard(), lambda hazard: hazard),
    "pickling the result": (a_result(at_pickling), lambda hazard: hazard),
}
LOCAL = {
    "pickling the call": (id, at_pickling),
    "unpickling the result": (a_result(at_unpickling), lambda hazard: hazard),
}


@pytest.fixture(scope="module")
def ends(executor):
    """Return how each call ended: in a spooled job of its own, and in an unspooled one with others of its stage."""
    unspooled = executor.with_options(spool=False)
    futures = {}
    for stage, names in [*((stage, EXPECTED) for stage in REMOTE), ("unpickling the result", HARMLESS_HERE)]:
        function, argument = (REMOTE | LOCAL)[stage]
        arguments = [argument(hazards()[name]) for name in names]
        alone = [executor.submit(function, each) for each in arguments]
        together = next(
            unspooled._intake.submit_chunks(function, ((each,) for each in arguments), len(arguments), None)
        )
        futures |= {(stage, name): pair for name, *pair in zip(names, alone, together, strict=True)}
    return {case: [future.exception(PATIENCE) for future in pair] for case, pair in futures.items()}


@pytest.mark.parametrize("stage", REMOTE)
@pytest.mark.parametrize("hazard", EXPECTED)
def test_what_happens_on_the_execution_point_is_the_calls_error(ends, stage, hazard):
    """The exception comes back unchanged if it can be pickled. A hazard that kills Python is a crash."""
    for error in ends[stage, hazard]:
        assert isinstance(error, EXPECTED[hazard])
        if hazard == "error of its own class":
            assert type(error).__name__ == "PlainError"
        elif hazard == "segfault":
            assert error.signal == signal.SIGSEGV
        elif hazard == "leaving":
            assert error.exit_status == 7


@pytest.mark.parametrize("hazard", HARMLESS_HERE)
def test_what_happens_when_a_result_is_unpickled_here_is_an_outcome_error(ends, hazard):
    """The cause is the original exception, even one that would end a thread."""
    for error in ends["unpickling the result", hazard]:
        assert isinstance(error, OutcomeError)
        assert error.__cause__ is not None


@pytest.mark.parametrize("hazard", HARMLESS_HERE)
def test_what_happens_when_a_call_is_pickled_is_its_error(executor, hazard):
    """The future raises errors. An exit or an interrupt belongs to the calling thread."""
    culprit = at_pickling(hazards()[hazard])
    if hazard in ("exit", "interrupt"):
        with pytest.raises(EXPECTED[hazard]):
            executor.submit(id, culprit)
    else:
        error = executor.submit(id, culprit).exception(PATIENCE)
        assert isinstance(error, PayloadError)
        assert error.__cause__ is not None


def test_the_executor_is_none_the_worse(executor, ends):
    """The executor can still run a call."""
    assert executor.submit(pow, 2, 5).result(PATIENCE) == 32


ENDINGS = {
    "shutdown": lambda executor: executor.shutdown(),
    "shutdown without waiting": lambda executor: executor.shutdown(wait=False),
    "shutdown that cancels": lambda executor: executor.shutdown(cancel_futures=True),
    "shutdown that cancels without waiting": lambda executor: executor.shutdown(wait=False, cancel_futures=True),
    "terminate_workers": lambda executor: executor.terminate_workers(),
}


@pytest.mark.parametrize("spool", [True, False])
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_executor_that_ends_in_the_midst_of_any_stage_hangs_nothing(new_executor, tmp_path, ending, spool):
    """At each stage, the call waits until the shutdown has begun, and then triggers the hazard."""
    executor = new_executor(spool=spool)
    go = tmp_path / "go"

    def after_the_end_began(stage, hazard):
        def meet():
            (tmp_path / stage).touch()
            while not go.exists():
                time.sleep(0.01)
            hazard()

        return meet

    futures = []
    # Each stage has one job, which runs its calls one after the other. A crash costs only one call.
    for stage, names in [*((stage, EXPECTED) for stage in REMOTE), ("unpickling the result", HARMLESS_HERE)]:
        function, argument = (REMOTE | LOCAL)[stage]
        calls = ((argument(after_the_end_began(stage, hazards()[name])),) for name in names)
        futures += next(executor._intake.submit_chunks(function, calls, len(EXPECTED), None))
    refused = []

    def submit(name):
        try:
            futures.append(executor.submit(id, at_pickling(after_the_end_began("pickling the call", hazards()[name]))))
        except BaseException as error:
            refused.append(error)

    submitting = [threading.Thread(target=submit, args=(name,)) for name in HARMLESS_HERE]
    for thread in submitting:
        thread.start()
    until(lambda: all((tmp_path / stage).exists() for stage in [*REMOTE, *LOCAL]), timeout=PATIENCE)
    end = threading.Thread(target=ENDINGS[ending], args=(executor,))
    end.start()
    until(lambda: executor._engine.shut_down)
    go.touch()
    for thread in [*submitting, end]:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    done, not_done = wait(futures, PATIENCE)
    assert not not_done
    assert all(future.cancelled() or isinstance(future.exception(), BaseException) for future in done)
    assert {type(error) for error in refused} == {SystemExit, KeyboardInterrupt}
    executor.shutdown()


def traced(function):
    """Return the result of *function*, and the peak of the memory that it needed, in bytes."""
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_huge_array_travels_without_a_copy(executor):
    """The array is written out of band from its own memory. The result is read once, into its final memory."""
    array = np.arange(HUGE // 8, dtype=float)
    future, needed = traced(lambda: executor.submit(lambda array: (array.nbytes, array[-1]), array))
    assert needed < 0.3 * HUGE
    assert future.result(PATIENCE) == (HUGE, HUGE // 8 - 1)
    result, needed = traced(lambda: executor.submit(np.ones, HUGE // 8).result(PATIENCE))
    assert result.nbytes == HUGE
    assert result[-1] == 1
    assert needed < 1.3 * HUGE


def test_huge_bytes_travel(executor):
    """They are in the pickle itself, in both directions."""
    text = executor.submit(lambda text: text[::-1], b"a" + bytes(HUGE)).result(PATIENCE)
    assert (len(text), text[-1:]) == (HUGE + 1, b"a")


@pytest.mark.parametrize("ending", ["shutdown", "shutdown without waiting", "terminate_workers"])
def test_huge_values_that_an_end_races_hang_nothing(new_executor, ending):
    """The shutdown begins while an argument is sent, or while a result is on its way."""
    executor = new_executor()
    result = executor.submit(np.ones, HUGE // 8)
    until(result.running, timeout=PATIENCE)
    sent = executor.submit(len, np.ones(HUGE // 8))
    ENDINGS[ending](executor)
    assert not wait([sent, result], PATIENCE).not_done
    if ending != "terminate_workers":
        assert (sent.result(), result.result().nbytes) == (HUGE // 8, HUGE)
