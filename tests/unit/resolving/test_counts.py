"""Counts of calls are consistent, whichever thread counts, at any time."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

from condor_futures.calls.bundle import Bundle
from condor_futures.future import CondorFuture
from condor_futures.options.options import Options
from condor_futures.resolving.counts import Counts
from condor_futures.state_machine.states import Job, State


def bundle(*calls: str, state: State = State.PENDING) -> Bundle:
    return Bundle("b", Path(), Options({}, True, ""), {key: CondorFuture(key) for key in calls}, Job("b", True, state))


def open_calls(tally: Counts, *bundles: Bundle) -> None:
    for made in bundles:
        tally.opened(made.futures.values(), made)


def test_a_call_is_in_the_state_of_its_job_until_it_has_ended():
    tally = Counts()
    made = bundle("c0", "c1", state=State.RUNNING)
    open_calls(tally, made, bundle("c2"))
    assert tally.counts() == {"running": 2, "pending": 1}
    tally.ended(made.futures["c0"], "done")
    assert tally.counts() == {"running": 1, "pending": 1, "done": 1}


def test_a_call_whose_job_has_ended_is_completed_until_its_future_knows():
    tally = Counts()
    made = bundle("c0", state=State.ENDED)
    open_calls(tally, made)
    assert tally.counts() == {"completed": 1}
    tally.ended(made.futures["c0"], "failed")
    assert tally.counts() == {"failed": 1}


def test_a_call_that_failed_of_a_hold_has_failed():
    """Its future has the state failed: a held call may still continue."""
    tally = Counts()
    waits, fails = bundle("c0", state=State.HELD), bundle("c1", state=State.HELD)
    open_calls(tally, waits, fails)
    assert tally.counts() == {"held": 2}
    tally.ended(fails.futures["c1"], "failed")
    assert tally.counts() == {"held": 1, "failed": 1}


def test_a_call_ends_once():
    """One thread cancels it, and another resolves it: the first event counts."""
    tally = Counts()
    made = bundle("c0")
    open_calls(tally, made)
    for how in ("cancelled", "done", "cancelled"):
        tally.ended(made.futures["c0"], how)
    assert tally.counts() == {"cancelled": 1}


def test_a_call_is_counted_with_the_job_that_makes_it_now():
    """Warm jobs are given calls, and return them. A call that has ended stays so."""
    tally = Counts()
    waits, runs = bundle("c0", "c1"), bundle(state=State.RUNNING)
    open_calls(tally, waits)
    tally.moved([waits.futures["c0"], CondorFuture("c9")], runs)
    assert tally.counts() == {"running": 1, "pending": 1}
    tally.ended(waits.futures["c1"], "cancelled")
    tally.moved([waits.futures["c0"]], waits)
    tally.moved([waits.futures["c1"]], runs)
    assert tally.counts() == {"pending": 1, "cancelled": 1}


def test_counts_add_up_while_other_threads_end_calls():
    tally = Counts()
    bundles = [bundle(*(f"c{many}-{n}" for n in range(10))) for many in range(300)]
    open_calls(tally, *bundles)
    ready = threading.Barrier(4)

    def end(some: list[Bundle]) -> None:
        ready.wait()
        for made in some:
            for future in list(made.futures.values()):
                tally.ended(future, "done")

    threads = [threading.Thread(target=end, args=(bundles[n::3],)) for n in range(3)]
    for thread in threads:
        thread.start()
    ready.wait()
    sums = {sum(tally.counts().values()) for _ in range(200)}
    for thread in threads:
        thread.join()
    assert sums == {3000}
    assert tally.counts() == {"done": 3000}


def test_a_call_may_end_in_the_middle_of_counting():
    """A signal handler or the garbage collector may cancel it, in the thread that counts."""
    tally = Counts()
    made, other = bundle("c0", "c1"), bundle("c2")

    class Telling(Counter):
        """Ends a call while the counts are computed."""

        def items(self):
            tally.ended(made.futures["c0"], "cancelled")
            return super().items()

    with tally._lock:
        tally._open = Telling()
    open_calls(tally, made, other)
    counts = tally.counts()
    assert sum(counts.values()) == 3
    assert tally.counts()["cancelled"] == 1
