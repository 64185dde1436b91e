"""Wrong arguments are refused with the messages of the standard library."""

from __future__ import annotations

import re
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
import pytest

from condor_futures.future import CondorFuture
from condor_futures.options.arguments import (
    check_after,
    check_count,
    check_flag,
    check_optional_count,
    check_progress,
    check_seconds,
)


def test_after_is_a_future_or_several():
    one, two = Future(), CondorFuture("c000000")
    assert check_after(one) == (one,)
    assert check_after(iter([one, two])) == (one, two)
    assert check_after([]) == ()


@pytest.mark.parametrize(("after", "kind"), [(3, "int"), ("ab", "str"), ([Future(), None], "NoneType")])
def test_after_is_nothing_else(after, kind):
    with pytest.raises(TypeError, match=f"^after must be a future or an iterable of futures, not {kind}$"):
        check_after(after)


@pytest.mark.parametrize("value", [1, 0, "yes", None, np.True_])
def test_a_flag_is_a_bool(value):
    """Any non-empty word would be true."""
    with pytest.raises(TypeError, match=f"^spool must be True or False, not {re.escape(repr(value))}$"):
        check_flag("spool", value)
    check_flag("spool", value=False)


def test_seconds_are_a_number():
    for value in (None, 0, 1.5, np.float64(2.5), np.int32(2), -1):
        check_seconds("timeout", value)
    with pytest.raises(TypeError, match=r"^timeout must be a number of seconds or None, not '5'$"):
        check_seconds("timeout", "5")


def test_a_count_is_any_kind_of_int():
    """It may be one of numpy's. The result is a Python int, which JSON can hold."""
    for value in (3, np.int64(3), np.uint8(3)):
        count = check_count("count", value)
        assert (count, type(count)) == (3, int)
    assert check_optional_count("count", 3) == 3
    assert check_optional_count("count", None) is None


@pytest.mark.parametrize(("value", "given"), [(1.0, "float"), ("3", "'3'"), (True, "bool"), (None, "NoneType")])
def test_a_count_is_nothing_else(value, given):
    with pytest.raises(TypeError, match=f"^count must be an integer or 'auto', not {given}$"):
        check_count("count", value, also="'auto'")


def test_a_count_is_refused_in_the_words_of_the_standard_library():
    with pytest.raises(ValueError, match="max_workers") as theirs:
        ProcessPoolExecutor(max_workers=0)
    with pytest.raises(ValueError, match="max_workers") as ours:
        check_count("max_workers", 0)
    assert str(ours.value) == f"{theirs.value}, not 0"
    with pytest.raises(ValueError, match=r"^buffersize must be None or > 0, not -1$"):
        check_count("buffersize", -1)


def test_a_count_may_have_another_least():
    assert check_count("retries", 0, least=0) == 0
    with pytest.raises(ValueError, match=r"^retries must be at least 0, not -1$"):
        check_count("retries", -1, least=0)


def test_progress_is_switched_on_by_the_environment(monkeypatch):
    """The argument comes first."""
    for value, on in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("CONDOR_FUTURES_PROGRESS", value)
        assert check_progress(None) is on
        assert check_progress(not on) is not on
