"""tqdm: progress over map() and as_completed()."""

from __future__ import annotations

import io

import pytest
from tqdm import tqdm

from condor_futures import as_completed

pytestmark = pytest.mark.pool


def absolute(n):
    return abs(n)  # (the execution point does not have this module)


def test_a_map_has_a_progress_bar(unspooled, processes):
    """The results pass through the bar in order."""
    for executor in (unspooled, processes):
        screen = io.StringIO()
        results = list(tqdm(executor.map(abs, range(-6, 0), chunksize=2), total=6, file=screen, mininterval=0))
        assert results == [6, 5, 4, 3, 2, 1]
        assert "6/6" in screen.getvalue()


def test_calls_have_a_progress_bar_as_they_end(unspooled):
    """The bar advances once for each future."""
    screen = io.StringIO()
    futures = [unspooled.submit(absolute, n) for n in range(-4, 0)]
    results = {future.result() for future in tqdm(as_completed(futures), total=4, file=screen, mininterval=0)}
    assert results == {1, 2, 3, 4}
    assert "4/4" in screen.getvalue()
