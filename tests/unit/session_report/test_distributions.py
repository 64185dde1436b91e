"""Each value is in its bin, and a suggestion has its margin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures.session_report.distributions import histogram, quantile, suggest_memory

MIB = 1 << 20


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20))
def test_each_value_is_in_one_bin(values):
    found = histogram({"values": values, "others": []})
    assert sum(found.counts["values"]) == len(values)
    assert sum(found.counts["others"]) == 0
    assert list(found.edges) == sorted(found.edges)
    assert found.edges[-1] >= max(values) * (1 - 1e-9)


def test_bins_are_logarithmic_if_the_values_are_of_different_magnitudes():
    found = histogram({"values": [0.001, 1.0, 1000.0]}, bins=6)
    assert found.logarithmic
    assert list(found.counts["values"]) == [1, 0, 0, 1, 0, 1]
    assert found.edges == pytest.approx([0.001, 0.01, 0.1, 1, 10, 100, 1000])
    assert not histogram({"values": [0.5, 1.0]}).logarithmic


def test_there_is_no_histogram_of_nothing():
    assert histogram({"values": []}) is None


def test_one_wasteful_job_in_a_thousand_does_not_set_the_request():
    needs = [100 * MIB] * 999 + [4000 * MIB]
    assert quantile(needs, 0.99) == 100 * MIB
    assert suggest_memory(needs) == 128 * MIB
    assert suggest_memory(needs[-2:]) == 4800 * MIB
