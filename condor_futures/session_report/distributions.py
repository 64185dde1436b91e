"""Quantiles, histograms, and the suggestion for a request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from condor_futures.watching.learner import MARGIN, QUANTILE

__all__ = ["Histogram", "histogram", "quantile", "suggest_memory"]

Number = TypeVar("Number", int, float)

BINS: Final = 40
MEMORY_QUANTILE: Final = QUANTILE  # as jobs with request_memory="auto" request it
MEMORY_MARGIN: Final = MARGIN
_STEP: Final = 64 << 20
_WIDE: Final = 50.0  # above this ratio of the largest to the smallest value, the bins are logarithmic


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins.

    Attributes:
        edges: the edges of the bins, one more than there are bins.
        counts: by series, how many of its values are in each bin.
        logarithmic: whether the bins have equal ratios, and not equal widths.

    """

    edges: Sequence[float]
    counts: Mapping[str, Sequence[int]]
    logarithmic: bool


def histogram(series: Mapping[str, Sequence[float]], bins: int = BINS) -> Histogram | None:
    """Return the histogram of several series of values that are not negative; None if there are no values.

    >>> histogram({"values": [0.0, 1.0, 1.0, 2.0]}, bins=2).counts
    {'values': [1, 3]}

    """
    values = [value for each in series.values() for value in each]
    if not values:
        return None
    low, high = min(values), max(*values, 1e-9)
    # A few values near 0 do not make the bins tiny.
    low = max(low, high / 1e6)
    logarithmic = high > _WIDE * low > 0
    if high <= low:
        low, high = low * 0.9, high * 1.1
    if logarithmic:
        ratio = math.log(high / low)
        edges = [low * math.exp(ratio * number / bins) for number in range(bins + 1)]
    else:
        low = 0.0 if low < high / 3 else low
        edges = [low + (high - low) * number / bins for number in range(bins + 1)]
    counts = {}
    for name, each in series.items():
        counts[name] = [0] * bins
        for value in each:
            if logarithmic:
                place = math.log(max(value, low) / low) / math.log(high / low)
            else:
                place = (value - low) / (high - low)
            counts[name][min(max(int(place * bins), 0), bins - 1)] += 1
    return Histogram(edges, counts, logarithmic)


def quantile(values: Sequence[Number], part: float) -> Number:
    """Return the smallest of the sorted *values* that at least *part* of them do not exceed.

    >>> quantile([1, 2, 3, 4], 0.5), quantile([1, 2, 3, 4], 0.99)
    (2, 4)

    """
    return values[max(math.ceil(part * len(values)) - 1, 0)]


def suggest_memory(values: Sequence[int]) -> int:
    """Return the request for jobs that need these *values*, sorted, all in bytes.

    This is the 0.99 quantile with a margin of 20 %, rounded up to a multiple of 64 MiB.

    >>> suggest_memory([100 << 20, 300 << 20]) >> 20
    384

    """
    return math.ceil(quantile(values, MEMORY_QUANTILE) * MEMORY_MARGIN / _STEP) * _STEP
