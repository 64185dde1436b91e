"""The examples in docstrings that need no pool work as shown."""

from __future__ import annotations

import pytest
from docstrings import docstrings, run

DOCSTRINGS = docstrings(pool=False)


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_examples_do_what_they_say(name):
    run(DOCSTRINGS[name])
