"""Ten clients are killed one after another at random moments. In the end, the session has 100 right values."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter

import pytest

from condor_futures import CondorExecutor

pytestmark = [pytest.mark.pool, pytest.mark.timeout(300)]

CALLS, KILLS = 100, 10

CLIENT = """
import sys, time
from pathlib import Path
from condor_futures import CondorExecutor

directory, calls = Path(sys.argv[1]), int(sys.argv[2])

def call(n):
    with (directory / "made").open("a") as file:
        file.write(f"{n}\\n")
    time.sleep(n % 5 * 0.2)
    return n * n

if (directory / "session" / "session.json").exists():
    executor = CondorExecutor.attach(directory / "session")
else:
    executor = CondorExecutor(access_point="personal", warm=0, session=directory / "session")
print("begun", flush=True)
n = len(executor.futures)
while n < calls:
    # Calls of their own and bundles of three, spooled and not.
    size = 3 if n % 4 == 0 and n + 3 <= calls else 1
    some = executor.with_options(spool=n % 2 == 0)
    chunks = some._intake.submit_chunks(call, ((m,) for m in range(n, n + size)), size, None)
    n += sum(len(chunk) for chunk in chunks)
    time.sleep(0.02)
time.sleep(600)
"""


def test_a_hundred_calls_outlive_ten_clients(pool, tmp_path):
    """The clients are killed while they attach, submit or wait. No job is killed with them, so no call runs again."""
    rng = random.Random(20)
    for number in range(KILLS):
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(tmp_path), str(CALLS)], stdout=subprocess.PIPE, text=True
        )
        try:
            if number == 0 or rng.random() < 0.7:
                assert client.stdout.readline() == "begun\n"
            time.sleep(rng.uniform(0, 0.6))
        finally:
            client.kill()
            client.communicate()
    with CondorExecutor.attach(tmp_path / "session") as executor:
        values = [future.result(120) for future in executor.futures.values()]
        values += executor.map(lambda n: n * n, range(len(values), CALLS))
        assert values == [n * n for n in range(CALLS)]
        assert list(executor.futures) == [f"c{n:06d}" for n in range(len(executor.futures))]
        recorded = len(executor.futures)
    assert recorded > KILLS
    made = Counter((tmp_path / "made").read_text().split())
    assert made == {str(n): 1 for n in range(recorded)}
    assert pool.queue(executor) == []
