"""The mean number of open intervals is the same as when each interval is cut into the bins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures.session_report.occupancy import Occupancy

times = st.floats(-5, 15)


@given(st.lists(st.tuples(times, times), max_size=5), st.integers(1, 7))
def test_means(intervals, bins):
    occupancy = Occupancy(0.0, 10.0, bins)
    for interval in intervals:
        occupancy.add(*interval)
    width = 10.0 / bins
    expected = [
        sum(max(min(end, (number + 1) * width) - max(start, number * width), 0.0) for start, end in intervals) / width
        for number in range(bins)
    ]
    assert occupancy.means() == pytest.approx(expected, abs=1e-6)


def test_an_interval_without_an_end_lasts_to_the_end():
    occupancy = Occupancy(100.0, 104.0, 2)
    occupancy.add(101.0, float("inf"))
    assert occupancy.means() == [0.5, 1.0]
