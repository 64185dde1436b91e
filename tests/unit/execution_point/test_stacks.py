"""The Python stack of a call that runs: without HTCondor, with the child's own faulthandler."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from support import until

from condor_futures.execution_point import stacks
from condor_futures.execution_point.stacks import LARGEST

pytestmark = [pytest.mark.usefixtures("by_value"), pytest.mark.timeout(60)]


@pytest.fixture
def begun(tmp_path):
    return tmp_path / "begun"


def sleep(begun):
    begun.touch()
    time.sleep(100)


def count(begun):
    begun.touch()
    return sum(range(10**12))  # in C, holding the lock of the interpreter


def recurse(begun, depth=500, meet=None):
    if depth:
        return recurse(begun, depth - 1, meet)
    if meet is not None:
        meet()
    return sleep(begun)


def with_threads(begun):
    meet = threading.Barrier(61).wait
    for _ in range(60):
        threading.Thread(target=recurse, args=(begun, 90, meet), daemon=True).start()
    recurse(begun, 20, meet)  # faulthandler writes at most 100 frames of a thread


def replace_the_handler(begun):
    signal.signal(signal.SIGRTMAX - 3, signal.SIG_DFL)
    sleep(begun)


def close_all_files(begun):
    os.closerange(3, 1000)
    sleep(begun)


def replace_the_file(begun):
    number = next(int(path.name) for path in Path("/proc/self/fd").iterdir() if _is_of_stacks(path))
    os.dup2(os.open(begun.with_name("mine"), os.O_WRONLY | os.O_CREAT), number)
    sleep(begun)


def _is_of_stacks(path):
    try:
        return ".stack" in str(path.readlink())
    except OSError:
        return False


def become_a_program(begun):
    begun.touch()
    os.execlp("sleep", "sleep", "100")


def start(job, begun, *call):
    """Have a call made, and wait until it has begun."""
    [key] = job.give(call)
    until(begun.exists)
    return key


def ask(job, key):
    job.say(kind="stack", call=key)
    frame = job.wait_for_frame("stack")
    assert frame["call"] == key
    return frame


def functions(text):
    return re.findall(r"line \d+ in (\w+)", text)


@pytest.mark.parametrize(("call", "expected"), [(sleep, "sleep"), (count, "count")])
def test_where_a_call_is(warm_job, begun, call, expected):
    """Again and again; the call goes on."""
    warm_job.begin()
    key = start(warm_job, begun, call, begun)
    for _ in range(5):
        text = ask(warm_job, key)["text"]
        assert text.count("most recent call first") == 1
        assert functions(text)[:2] == [expected, "call"]
        assert functions(text)[-1] == "main" or "<module>" in text
    assert warm_job.arrived == {}
    assert not list(warm_job.path.glob("*.stack"))


def test_a_call_is_not_disturbed(warm_job, begun):
    def work():
        begun.touch()
        started = time.monotonic()
        time.sleep(0.5)
        read, write = os.pipe()
        threading.Timer(0.3, os.write, (write, b"x")).start()
        return os.read(read, 1), time.monotonic() - started > 0.7

    warm_job.begin()
    key = start(warm_job, begun, work)
    while "text" in ask(warm_job, key):
        pass
    assert warm_job.wait_for([key]) == [(b"x", True)]


def test_calls_that_are_not_running(warm_job, begun):
    warm_job.begin()
    [ended] = warm_job.give((pow, 2, 5))
    assert warm_job.wait_for([ended]) == [32]
    key = start(warm_job, begun, sleep, begun)
    [waits] = warm_job.give((pow, 2, 5))
    for call, why in ((ended, "ended"), ("c000999", "ended"), (waits, "waits")):
        assert ask(warm_job, call)["refused"] == why
    warm_job.say(kind="stack", call=key)
    warm_job.say(kind="cancel", call=key)
    frame = warm_job.wait_for_frame("stack")
    assert frame["call"] == key  # either the stack was there first, or not
    assert warm_job.wait_for([waits]) == [32]


@pytest.mark.parametrize("call", [replace_the_handler, close_all_files, replace_the_file, become_a_program])
def test_a_signal_that_would_do_harm_is_not_sent(warm_job, begun, call):
    warm_job.begin()
    key = start(warm_job, begun, call, begun)
    if call is become_a_program:  # a signal that comes just before it does so would end it
        [child] = psutil.Process(warm_job.process.pid).children()
        until(lambda: child.name() == "sleep")
    assert ask(warm_job, key)["refused"] == "handler"
    assert warm_job.arrived == {}
    mine = begun.with_name("mine")
    assert not mine.exists() or not mine.read_bytes()
    warm_job.say(kind="cancel", call=key)
    stack = functions(ask(warm_job, start_again(warm_job, begun))["text"])
    assert "sleep" in stack, "the next process has both"  # it may still be in touch()


def start_again(job, begun):
    begun.unlink()
    return start(job, begun, sleep, begun)


def test_large_stacks_are_cut_at_their_beginning(warm_job, begun):
    warm_job.begin()
    key = start(warm_job, begun, with_threads, begun)
    text = ask(warm_job, key)["text"]
    assert LARGEST - 3 <= len(text) <= LARGEST
    assert text.rstrip().endswith("in <module>")


def test_a_deep_stack_shows_its_end(warm_job, begun):
    warm_job.begin()
    key = start(warm_job, begun, recurse, begun)
    assert functions(ask(warm_job, key)["text"])[:2] == ["sleep", "recurse"]


def test_a_process_that_is_stopped_tells_its_stack_when_it_goes_on(warm_job, begun):
    warm_job.begin()
    key = start(warm_job, begun, sleep, begun)
    [child] = psutil.Process(warm_job.process.pid).children()
    child.suspend()
    for _ in range(3):
        warm_job.say(kind="stack", call=key)
    time.sleep(0.3)
    warm_job.read()
    assert "stack" not in [frame["kind"] for frame in warm_job.frames]
    child.resume()
    assert warm_job.wait_for_frame("stack")["text"].count("in sleep\n") == 1


def test_a_stack_is_complete_only_after_the_handler(tmp_path, monkeypatch):
    """What is there may be a part; if a thread blocks the signal for good, it is complete when it does not grow."""
    with (tmp_path / "stack").open("wb+", buffering=0) as file:
        before = signal.signal(stacks.SIGNAL, lambda *_: None)
        try:
            stack = stacks.Stack("c000000", os.getpid(), file.fileno())
            signal.pthread_sigmask(signal.SIG_BLOCK, {stacks.SIGNAL})
            assert stack.look() is None
            file.write(b"a part")
            assert stack.look() is None
            monkeypatch.setattr(stacks, "_UNFINISHED", 0.0)
            assert stack.look() == "a part"
            monkeypatch.undo()
            assert stack.look() is None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {stacks.SIGNAL})
            signal.signal(stacks.SIGNAL, before)
        until(lambda: stack.look() == "a part", 10)  # the handler runs soon
        assert Path(file.name).stat().st_size == 6
