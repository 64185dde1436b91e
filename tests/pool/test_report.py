"""The report of a session that real jobs made."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from condor_futures import CondorExecutor
from condor_futures.cli import app
from condor_futures.session.session import Session
from condor_futures.session_report.data import make_report
from condor_futures.session_report.evidence import read_evidence

pytestmark = pytest.mark.pool


def test_the_page_has_what_happened_to_calls_and_jobs(pool, tmp_path):
    """Two calls of a warm job, of which one fails; and a call whose job is repeated once, and fails again."""
    where = tmp_path / "session"
    with CondorExecutor(1, access_point="personal", session=where) as executor:
        warm = list(executor.map(divmod, [7, 7], [2, 0], return_exceptions=True))
        assert warm[0] == (3, 1)
        again = executor.with_options(max_retries=1, retry_exceptions=ValueError).submit(int, "<seven>")
        first, second = (executor.submit(abs, -number) for number in (1, 2))
        assert executor.with_options(after=[first]).submit(sum, [second, 2]).result() == 4
        assert isinstance(again.exception(), ValueError)
        running = make_report(read_evidence(Session.open(where)))
        assert (running.info.state, running.failed) == ("in use", 2)
    found = make_report(read_evidence(Session.open(where)))
    assert (found.info.state, found.calls, found.succeeded, found.failed) == ("finished", 6, 4, 2)
    assert {(function.name, function.calls) for function in found.functions} == {
        *(("divmod", 2), ("int", 1), ("abs", 2), ("sum", 1))
    }
    assert [(step.level, step.function, step.calls) for step in found.graph.steps] == [(0, "abs", 2), (1, "sum", 1)]
    assert found.graph.edges == {(0, 1): 1}
    assert {group.kind for group in found.failures} == {"ZeroDivisionError", "ValueError"}
    assert [(group.kind, group.count, list(group.examples)) for group in found.problems] == [
        ("repeated", 1, [again.job_id])
    ]
    assert (found.jobs, found.restarts) == (3, 1)  # a call that comes after others has a job of its own
    assert found.slot_time["queued"] > 0
    assert found.slot_time["running"] > 0
    assert found.slot_time["idle while warm"] > 0
    assert again.job_id in found.timeline.labels
    [machine] = found.machines
    assert (machine.calls, machine.failed) == (6, 2)
    done = CliRunner().invoke(app, ["report", str(where), "--output", str(tmp_path / "page.html"), "--png"])
    assert done.exit_code == 0, done.output
    names = ["page.html", *(f"page-{name}.png" for name in ("timeline", "concurrency", "run-times", "graph", "memory"))]
    assert done.output.split() == [str(tmp_path / name) for name in names]
    assert all((tmp_path / name).stat().st_size for name in names)
    page = (tmp_path / "page.html").read_text()
    assert re.search(r"<span>6</span>calls</div>.*<span>4</span>succeeded</div>.*<span>2</span>failed</div>", page)
    assert "&lt;seven&gt;" in page
    assert "<seven>" not in page
