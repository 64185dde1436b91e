"""Any thread wakes the watcher, and so does a file."""

from __future__ import annotations

import gc
import math
import os
import queue
import threading

import psutil
import pytest

from condor_futures.watching.inbox import Inbox


def calls(inbox):
    """Call all functions that are there."""
    try:
        while True:
            inbox.get_nowait()()
    except queue.Empty:
        pass


def test_functions_come_in_their_order():
    inbox, done = Inbox(), []
    for number in range(3):
        inbox.put(lambda number=number: done.append(number))
    calls(inbox)
    assert done == [0, 1, 2]
    with pytest.raises(queue.Empty):
        inbox.get_nowait()


@pytest.mark.parametrize("seconds", [60.0, math.inf, 1e300])
def test_a_function_of_another_thread_ends_the_wait(seconds):
    """However long the wait may be."""
    inbox, done = Inbox(), []
    thread = threading.Timer(0.02, lambda: inbox.put(lambda: done.append("called")))
    thread.start()
    inbox.wait(seconds)
    calls(inbox)
    thread.join()
    assert done == ["called"]


def test_a_function_that_came_before_the_wait_ends_it():
    inbox = Inbox()
    inbox.put(list)
    inbox.wait(math.inf)
    assert inbox.get_nowait() is list


@pytest.mark.parametrize("seconds", [0.0, 1e-6, 0.001, -1.0])
def test_a_wait_ends_without_a_function(seconds):
    """Also one for less than no time, which poll() would take for one without an end."""
    Inbox().wait(seconds)


def test_more_functions_than_the_pipe_has_room_for():
    """They wake the thread all the same, and none is lost."""
    inbox, done = Inbox(), []
    for number in range(70_000):
        inbox.put(lambda number=number: done.append(number))
    inbox.wait(math.inf)
    calls(inbox)
    assert done == list(range(70_000))
    inbox.put(list)
    inbox.wait(math.inf)
    assert inbox.get_nowait() is list


def test_a_file_that_can_be_read_ends_the_wait():
    """It is not read here."""
    inbox = Inbox()
    read, write = os.pipe()
    try:
        inbox.watch(read)
        os.write(write, b"x")
        inbox.wait(math.inf)
        inbox.wait(math.inf)
        assert os.read(read, 10) == b"x"
    finally:
        os.close(read)
        os.close(write)


def test_its_descriptors_are_closed_with_it():
    """Not earlier: another thread might post until then."""
    gc.collect()
    before = psutil.Process().num_fds()
    inbox = Inbox()
    assert psutil.Process().num_fds() == before + 2
    del inbox
    gc.collect()
    assert psutil.Process().num_fds() == before
