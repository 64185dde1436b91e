"""Numbers for people."""

from __future__ import annotations

import json

import pytest

from condor_futures.doctor.findings import Finding, Level, plural, seconds, size


@pytest.mark.parametrize(
    ("time", "text"),
    [(0.0, "0.0 ms"), (0.00149, "1.5 ms"), (0.06, "60 ms"), (0.996, "1.0 s"), (9.94, "9.9 s"), (61.2, "61 s")],
)
def test_seconds(time, text):
    assert seconds(time) == text


@pytest.mark.parametrize(("number", "text"), [(1023, "1023 bytes"), (2**20, "1 MiB"), (5 * 2**40, "5 TiB")])
def test_sizes(number, text):
    assert size(number) == text


def test_plurals():
    assert [plural(number, "core") for number in (0, 1, 2)] == ["0 cores", "1 core", "2 cores"]


def test_a_level_is_a_word_in_json():
    assert json.dumps(Finding("slots", Level.OK, "").level) == '"ok"'
