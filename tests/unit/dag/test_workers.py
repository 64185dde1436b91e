"""Threads that carry out their tasks, and that no error ends."""

from __future__ import annotations

import threading

import pytest
from support import until

from condor_futures.dag.workers import Workers


def test_so_many_things_are_done_at_once():
    workers, go = Workers(2), threading.Event()
    running = []

    def work(number):
        running.append(number)
        go.wait(60)
        return number

    done = [workers.do(lambda n=n: work(n)) for n in range(3)]
    until(lambda: len(running) == 2)
    assert running == [0, 1]
    go.set()
    assert [future.result(60) for future in done] == [0, 1, 2]
    workers.close()


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_error_is_told_to_who_asked(error):
    """The thread continues."""
    workers = Workers(1)

    def fail():
        raise error

    assert isinstance(workers.do(fail).exception(60), error)
    assert workers.do(lambda: 1).result(60) == 1
    workers.close()


def test_what_was_given_before_the_end_is_done():
    before = set(threading.enumerate())
    workers = Workers(3)
    threads = set(threading.enumerate()) - before
    done = [workers.do(lambda n=n: n) for n in range(10)]
    workers.close()
    assert [future.result(60) for future in done] == list(range(10))
    assert len(threads) == 3
    until(lambda: not any(thread.is_alive() for thread in threads))
