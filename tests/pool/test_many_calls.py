"""A hundred thousand calls, one by one."""

from __future__ import annotations

from collections import Counter

import pytest

pytestmark = [pytest.mark.pool, pytest.mark.timeout(600)]  # 100,000 files are written, which some disks do slowly


def test_a_hundred_thousand_calls_are_queued(new_executor):
    """As files of which no directory has many; what is cancelled leaves none, and the rest has its values."""
    executor = new_executor(max_workers=8)
    futures = [executor.submit(abs, -n) for n in range(100_000)]
    directories = Counter(path.parent for path in executor.session.rglob("*"))
    assert sum(directories.values()) > 100_000
    assert max(directories.values()) < 5_000
    assert [future.result(100) for future in futures[:5]] == [0, 1, 2, 3, 4]
    executor.shutdown(cancel_futures=True)
    for number, future in enumerate(futures):
        assert future.cancelled() or future.result(0) == number
    assert not list(executor.session.rglob("*.calls"))
