"""What a call says of itself, in the memory that it shares with its supervisor."""

from __future__ import annotations

import mmap
import threading

import pytest

from condor_futures import report
from condor_futures.execution_point import reporting


@pytest.fixture
def memory(monkeypatch):
    memory = mmap.mmap(-1, reporting.REPORT_SIZE)
    monkeypatch.setattr(reporting.reporter, "memory", memory)
    monkeypatch.setattr(reporting.reporter, "call", "c000007")
    return memory


def test_a_report_is_read_once(memory):
    report(0.5, "half")
    number, found = reporting.read(memory, 0)
    assert found == {"call": "c000007", "fraction": 0.5, "text": "half"}
    assert reporting.read(memory, number) == (number, None)


def test_the_last_report_counts(memory):
    for step in range(100):
        report(step / 100)
    assert reporting.read(memory, 0)[1] == {"call": "c000007", "fraction": 0.99, "text": ""}


def test_outside_of_a_job_it_does_nothing():
    report(1, "no job")


@pytest.mark.parametrize("text", ["x" * 5000, "\u2603" * 5000, "\0" * 300])
def test_a_long_text_is_cut_or_left_out(memory, text):
    report(0.5, text)
    found = reporting.read(memory, 0)[1]
    assert found["fraction"] == 0.5
    assert found["text"] in ("", text[:200])


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_fraction_is_from_0_to_1(memory, fraction):
    with pytest.raises(ValueError, match="fraction must be from 0 to 1, not"):
        report(fraction)


def test_what_is_no_fraction_or_no_text(memory):
    with pytest.raises(TypeError):
        report([])
    with pytest.raises(TypeError, match="text must be a str, not int"):
        report(0.5, 3)


def test_a_report_that_is_being_written_is_not_read(memory):
    report(0.5)
    memory[:4] = (7).to_bytes(4, "big")
    assert reporting.read(memory, 0) == (0, None)


def test_the_rest_of_a_killed_process_is_no_report(memory):
    memory[:8] = (8).to_bytes(4, "big") + (3).to_bytes(4, "big")
    assert reporting.read(memory, 0) == (8, None)


def test_threads_of_a_call_may_report_at_once(memory):
    def say(text):
        for _ in range(500):
            report(0.5, text)

    threads = [threading.Thread(target=say, args=(letter * 100,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    seen, last = set(), 0
    while any(thread.is_alive() for thread in threads):
        last, found = reporting.read(memory, last)
        seen.update([found["text"]] if found else [])
    assert seen <= {"a" * 100, "b" * 100}
