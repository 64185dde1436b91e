"""Which failures are findings: they are never made again, and the logs of HTCondor and of the sessions are kept.

The tests in question are the fault harness, the deadlock cases, and every test that the page on guarantees names. All
other tests are made once too, except those that are marked as ``load_dependent``, with the reason.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from support import Pool

from condor_futures.session.finding import sessions_directory

ROOT = Path(__file__).parents[1]
_GUARANTEES = (ROOT / "docs" / "explanation" / "guarantees.md").read_text(encoding="utf-8")
_NAMED = {"::".join(test) for test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _GUARANTEES)}
_WHOLE = ("tests/faults/", "tests/contract/test_deadlocks.py::")
#: Files of sessions that are larger (bytes) are left out of the kept logs.
_LARGE = 10 << 20


def is_finding(nodeid: str) -> bool:
    """Return whether a failure of this test is a finding.

    >>> is_finding("tests/contract/test_deadlocks.py::test_huge_bytes_travel")
    True
    >>> is_finding("tests/pool/test_many_calls.py::test_ten_thousand_calls_are_queued[spooled]")
    True
    >>> is_finding("tests/pool/test_cli.py::test_version")
    False

    """
    file, *names = nodeid.partition("[")[0].split("::")
    return nodeid.startswith(_WHOLE) or any(f"{file}::{name}" in _NAMED for name in names)


def set_reruns(items: Iterable[pytest.Item]) -> None:
    """Have tests that depend on the machine's load made again if they fail, and never those whose failure is a finding.

    Raises:
        pytest.UsageError: a mark gives no reason, or is at a test whose failure is a finding.

    """
    for item in items:
        mark = item.get_closest_marker("load_dependent")
        if mark is not None and not (len(mark.args) == 1 and isinstance(mark.args[0], str) and mark.args[0]):
            raise pytest.UsageError(f"{item.nodeid}: load_dependent needs one argument, the reason")
        finding = is_finding(item.nodeid)
        if finding and mark is not None:
            raise pytest.UsageError(f"{item.nodeid} shows a guarantee, so it cannot be load_dependent")
        # 0 has precedence over --reruns.
        if finding or mark is not None:
            item.add_marker(pytest.mark.flaky(reruns=0 if finding else 1))


def keep_logs(item: pytest.Item, report: pytest.TestReport) -> None:
    """Copy the logs of the pools and sessions of a failed test; name the copy in the report."""
    pools = {id(found): found for found in item.funcargs.values() if isinstance(found, Pool)}
    if not pools:
        return
    kept = Path(tempfile.mkdtemp(prefix=f"condor-futures-{item.path.stem}-"))
    for number, pool in enumerate(pools.values()):
        _copy(pool.personal.directory / "log", kept / f"pool{number}")
    if sessions_directory().is_dir():
        _copy(sessions_directory(), kept / "sessions")
    report.sections.append(("Logs", f"This failure is a finding. The logs of HTCondor and the sessions are in {kept}"))


def _copy(source: Path, target: Path) -> None:
    """Copy what can be copied: files come and go."""

    def large(directory: str, names: list[str]) -> list[str]:
        found = []
        for name in names:
            path = Path(directory, name)
            if not path.is_symlink() and path.is_file() and path.stat().st_size > _LARGE:
                found.append(name)
        return found

    try:
        shutil.copytree(source, target, symlinks=True, ignore=large)
    except (OSError, shutil.Error) as error:
        target.mkdir(parents=True, exist_ok=True)
        (target / "not-copied").write_text(str(error))
