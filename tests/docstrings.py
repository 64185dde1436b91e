"""The examples in the package's docstrings, to be run as tests."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest

import condor_futures

_PACKAGE = Path(condor_futures.__file__).parent

#: An example that uses one of these names needs a pool, and the preparations in tests/pool/test_docstrings.py.
_NEEDS_POOL = {
    "CondorExecutor",
    "DagExecutor",
    "PersonalPool",
    "dag",
    "examine",
    "executor",
    "find_htcondor",
    "future",
    "install",
}


def docstrings(*, pool: bool) -> dict[str, doctest.DocTest]:
    """Return the docstrings that have examples, by the names of the objects that they describe.

    *pool* selects the docstrings that need a pool; otherwise, the function returns the others. It does not import a
    module without examples.
    """
    found: dict[str, doctest.DocTest] = {}
    for path in sorted(_PACKAGE.rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(_PACKAGE.parent).with_suffix("").parts
            module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
            found |= {test.name: test for test in doctest.DocTestFinder().find(module) if test.examples}
    return {name: test for name, test in found.items() if _needs_pool(test) is pool}


def _needs_pool(test: doctest.DocTest) -> bool:
    nodes = ast.walk(ast.parse("".join(example.source for example in test.examples)))
    return any(isinstance(node, ast.Name) and node.id in _NEEDS_POOL for node in nodes)


def run(
    test: doctest.DocTest, namespace: dict[str, Any] | None = None, checker: doctest.OutputChecker | None = None
) -> None:
    """Run the examples of a docstring in the namespace of its module or another one. Fail with doctest's report."""
    if namespace is not None:
        test.globs = namespace
    report: list[str] = []
    runner = doctest.DocTestRunner(checker, verbose=False, optionflags=doctest.ELLIPSIS)
    try:
        failed = runner.run(test, out=report.append, clear_globs=False).failed
    finally:
        vars(builtins).pop("_", None)  # where the last displayed value is kept, as in an interactive Python
        test.globs = {}
    if failed:
        pytest.fail("".join(report), pytrace=False)
