"""The attributes that our jobs have in addition to HTCondor's own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import condor_futures
from condor_futures.submit import attributes

NAMES = [getattr(attributes, name) for name in attributes.__all__]


def test_names_are_as_they_were():
    """Jobs of older sessions have these names, and users' own tools may query them."""
    assert sorted(NAMES) == [
        "CondorFuturesBatch",
        "CondorFuturesBundle",
        "CondorFuturesCalls",
        "CondorFuturesMemoryRaised",
        "CondorFuturesSession",
        "CondorFuturesWarm",
    ]


def test_no_other_module_writes_them_out():
    """Docstrings may."""
    written = []
    for path in Path(condor_futures.__file__).parent.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
        written += [(path.name, name) for text in texts for name in NAMES if re.search(rf"\b{name}\b", str(text))]
    assert sorted(written) == sorted(("attributes.py", name) for name in NAMES)
