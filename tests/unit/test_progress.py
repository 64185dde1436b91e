"""The live line counts every call, and its last state stays as a line."""

from __future__ import annotations

import io
from collections import Counter
from types import SimpleNamespace

import pytest
from rich.console import Console

from condor_futures.future import Progress
from condor_futures.progress import progress


def executor(counts, **reports):
    return SimpleNamespace(counts=lambda: counts, reports=lambda: reports)


@pytest.mark.parametrize("error", [None, OSError])
def test_the_last_state_is_a_line_of_its_own(error):
    """It stays even after an exception. Cancelled calls are counted."""
    counts = Counter(done=2, cancelled=1, completed=1)
    text = io.StringIO()
    console = Console(file=text, width=200)
    try:
        with progress(executor(counts), "spectra", console=console):
            if error is not None:
                raise error
    except OSError:
        pass
    line = "spectra: 2/4 done   idle 0   running 0   held 0   completed 1   cancelled 1   0 s\n"
    assert text.getvalue() == line


@pytest.mark.parametrize(
    ("reports", "said"),
    [
        ({"c1": Progress(0.416, "step 5 [b]of[/b] 12")}, "reported 42%, step 5 [b]of[/b] 12"),
        ({"c1": Progress(1.0, "")}, "reported 100%"),
        ({"c1": Progress(0.2, "one"), "c2": Progress(0.4, "two")}, "reported 30% of 2 calls"),
    ],
    ids=["one", "without a text", "several"],
)
def test_the_line_shows_what_running_calls_report(reports, said):
    text = io.StringIO()
    with progress(executor(Counter(running=2), **reports), console=Console(file=text, width=200)):
        pass
    assert text.getvalue() == f"calls: 0/2 done   idle 0   running 2   held 0   {said}   0 s\n"
