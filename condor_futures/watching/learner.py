"""What to request for jobs, learned from what such jobs used. This module knows no jobs: amounts in, a request out."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from condor_futures.ownership import owned, reads

__all__ = ["FIRST", "MARGIN", "QUANTILE", "Need", "round_up"]

#: A request is learned from this many jobs or more. If the calls come in no particular order, the next one needs more
#: than each of n others with a probability of 1 / (n + 1), here 9 %; many of these stay within the margin. The OSG's
#: guide "Always test a few jobs before submitting many" advises 3 to 10 jobs.
FIRST: Final = 10
#: The request covers this part of the jobs. A job that it does not cover is stopped, and makes its calls again from the
#: beginning, so it wastes all that it used; a lower quantile would save only a part of the memory of each job.
#: "A Job Sizing Strategy for High-Throughput Scientific Workflows" (Tovar et al., IEEE TPDS 29, 2018) weighs the two.
QUANTILE: Final = 0.99
#: And this much more, because HTCondor measures at intervals, and the next calls may need a little more. The exercise
#: "Determine Resource Needs" of the OSG School 2025 goes from 99 MB to 120 MB.
MARGIN: Final = 1.2
#: Amounts are rounded up to one of so many steps between a power of two and the next, so by 3 % at most. HTCondor
#: matches jobs with equal requests together, and a request that changed with each job would be edited with each job.
_STEPS: Final = 32


@owned()
class Need:
    """How much of one resource the jobs of one kind need, in bytes. It belongs to the thread that follows the jobs.

    >>> need = Need()
    >>> for number in range(FIRST):
    ...     need.used(f"b{number}", 1000)
    >>> need.request()
    1216

    """

    def __init__(self) -> None:
        """Begin without any jobs."""
        self._used: Counter[int] = Counter()  # rounded, so that a million jobs are a few hundred amounts
        self._at_least: dict[str, int] = {}

    @property
    @reads
    def known(self) -> int:
        """The number of jobs from which the need is known."""
        return self._used.total() + len(self._at_least)

    def used(self, job: str, amount: int) -> None:
        """Take into account that a job, which has ended, used this *amount*."""
        self.forget(job)
        self._used[round_up(amount)] += 1

    def exceeded(self, job: str, granted: int) -> None:
        """Take into account that a job used more than its request, and may now use what was *granted*.

        Until the job has ended, jobs like it request what it was granted.
        """
        self._at_least[job] = math.ceil(granted / MARGIN)

    def forget(self, job: str) -> None:
        """Forget a job that exceeded its request, and has ended."""
        self._at_least.pop(job, None)

    @reads
    def request(self) -> int | None:
        """Return the amount to request; None if too few jobs are known."""
        if self.known < FIRST:
            return None
        amounts = self._used + Counter(self._at_least.values())
        left = math.ceil(QUANTILE * amounts.total())
        covered = 0
        for amount in sorted(amounts):
            covered = amount
            left -= amounts[amount]
            if left <= 0:
                break
        return round_up(math.ceil(covered * MARGIN))


def round_up(amount: int) -> int:
    """Return the smallest step that is at least *amount*, which is not negative.

    >>> round_up(63), round_up(65), round_up(1000)
    (63, 66, 1008)

    """
    step = 1 << max(amount.bit_length() - _STEPS.bit_length(), 0)
    return -(-amount // step) * step
