"""The page on guarantees names a test for each sentence."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from condor_futures.access_point import backoff
from condor_futures.access_point.requests import AccessPoint
from condor_futures.watching import queue_looks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "guarantees.md").read_text()
ROWS = [row for row in PAGE.splitlines() if row.startswith("| ") and not re.search(r"\| (Shown by|-)", row)]


def test_there_are_rows():
    assert len(ROWS) > 20


@pytest.mark.parametrize("row", ROWS)
def test_each_sentence_has_a_test_that_is_there(row):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.split("|")[-2])
    assert named
    exist(named)


def exist(named):
    for path, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.MULTILINE), test


def test_all_other_tests_that_are_named_are_there():
    """The text may name such tests, too."""
    exist(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE))


def test_times_are_those_of_the_package():
    """The tests named there use other times, to avoid taking minutes."""
    assert 2 * queue_looks.AUDIT_INTERVAL == 40
    assert queue_looks.SPOOLING < queue_looks.AUDIT_INTERVAL  # so that at the second look it has waited long enough
    assert inspect.signature(AccessPoint).parameters["patience"].default == 60
    assert sum(backoff.AGAIN.pause(number) for number in range(backoff.ATTEMPTS - 1)) == 60
    assert backoff.AGAIN.longest < 120  # and the helper, if it is busy with that, tries for up to 10 s
