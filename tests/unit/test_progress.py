"""The live line counts every call, and its last state stays as a line."""

from __future__ import annotations

import io
from collections import Counter
from types import SimpleNamespace

import pytest
from rich.console import Console

from condor_futures.progress import progress


@pytest.mark.parametrize("error", [None, OSError])
def test_the_last_state_is_a_line_of_its_own(error):
    """It stays even after an exception. Cancelled calls are counted."""
    counts = Counter(done=2, cancelled=1, completed=1)
    text = io.StringIO()
    console = Console(file=text, width=200)
    try:
        with progress(SimpleNamespace(counts=lambda: counts), "spectra", console=console):
            if error is not None:
                raise error
    except OSError:
        pass
    line = "spectra: 2/4 done   idle 0   running 0   held 0   completed 1   cancelled 1   0 s\n"
    assert text.getvalue() == line
