"""HTCondor's own parser and macro expander, applied to a submit description."""

from __future__ import annotations

import os

# The bindings read their configuration on import. These tests are about the language, not about a site.
os.environ["CONDOR_CONFIG"] = os.devnull
import classad2  # type: ignore[import-untyped]
import htcondor2  # type: ignore[import-untyped]

__all__ = ["classad2", "expanded", "htcondor2"]


def expanded(command: str, text: str) -> str:
    """Return the value that HTCondor's own parser and macro expander make of one submit command."""
    submit = htcondor2.Submit({command: text, "after": "here"})
    assert submit["after"] == "here", "the value swallowed the next line"
    value: str = submit.expand(command)
    return value
