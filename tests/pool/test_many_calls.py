"""Many calls, one by one. `benchmarks/queueing.py --calls 100000` has more."""

from __future__ import annotations

import os

import pytest

pytestmark = [pytest.mark.pool, pytest.mark.timeout(240)]  # the test writes 10,000 files, which is slow on some disks


def test_ten_thousand_calls_are_queued(new_executor):
    """No directory has many of their files. Cancelled calls leave no file, and the others have their values."""
    executor = new_executor(max_workers=8)
    futures = [executor.submit(abs, -n) for n in range(10_000)]
    directories = {path: len(directories + files) for path, directories, files in os.walk(executor.session)}
    assert sum(directories.values()) > 10_000
    assert max(directories.values()) < 2_500
    assert [future.result(100) for future in futures[:5]] == [0, 1, 2, 3, 4]
    executor.shutdown(cancel_futures=True)
    for number, future in enumerate(futures):
        assert future.cancelled() or future.result(0) == number
    left = [file for _, _, files in os.walk(executor.session) for file in files if file.endswith(".calls")]
    assert left == []
