"""The progress of calls that run as jobs, as the user of a terminal sees it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console
from support import until
from terminal import Terminal

from condor_futures import CondorExecutor

pytestmark = pytest.mark.pool

PROGRAM = """
import time
from condor_futures import CondorExecutor, as_completed, report

def work(number):
    report(0.5, f"half of {number}")
    time.sleep(0.4)
    return 6 // number

with CondorExecutor(2, access_point="personal") as executor:
    print("begins")
    for future in as_completed([executor.submit(work, number) for number in range(3)]):
        print("ended")
print("over")
"""


def test_a_terminal_shows_the_calls_below_the_prints(pool):
    """The last state stays, and the prints are whole. The environment switches the line on."""
    terminal = Terminal(columns=150)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.DEVNULL,
        stdout=terminal.stream,
        stderr=terminal.stream,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", "CONDOR_FUTURES_PROGRESS": "1"},
    )
    try:
        until(lambda: terminal.read() and program.poll() is not None)
    finally:
        program.kill()
    assert program.wait() == 0
    rows = terminal.rows()
    assert rows[:4] == ["begins", "ended", "ended", "ended"]
    assert re.fullmatch(r"calls: 2/3 done   idle 0   running 0   held 0   failed 1   \d+ s", rows[4])
    assert rows[5:] == ["over", ""]
    assert re.search(r"running [12] .*reported 50%", terminal.raw)
    terminal.close()


def test_how_an_executor_looks(executor):
    future = executor.submit(pow, 2, 10)
    assert future.result() == 1024
    assert re.fullmatch(r"<CondorExecutor at \S+: calls: .*\d done.*>", repr(executor))
    assert f'<td style="text-align:left">{executor.session}</td>' in executor._repr_html_()
    assert f'<td style="text-align:left">{future.job_id}</td>' in future._repr_html_()
    console = Console(file=io.StringIO(), width=200)
    console.print(executor)
    assert re.search(r"warm jobs +no: warm is 0", console.file.getvalue())


def test_progress_is_true_or_false(pool):
    with pytest.raises(TypeError, match="progress must be True, False or None, not 1"):
        CondorExecutor(access_point="personal", progress=1)
