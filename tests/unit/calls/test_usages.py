"""What calls and jobs used, from outcomes and from event logs that a real HTCondor wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.usages import SUPERVISOR, Usages
from condor_futures.execution_point.frames import write_frame
from condor_futures.future import CondorFuture, Usage, Written
from condor_futures.options.options import Options
from condor_futures.state_machine.states import Job

LOGS = Path(__file__).parents[2] / "event_logs"
MiB = 1 << 20


def log(tmp_path, name: str) -> str:
    """Put a log into the session *tmp_path*, with the note of a bundle at its job; return the log."""
    text = (LOGS / f"{name}.log").read_text()
    at = text.index("\n...\n")
    (tmp_path / "event_log").write_text(f"{text[:at]}\n    bundle=b000001{text[at:]}")
    return text


def outcomes(path: Path, *headers) -> None:
    with path.open("wb") as file:
        for header in headers:
            write_frame(file, bytes(32), {"kind": "outcome", **header}, [bytes(100)])


@pytest.fixture
def bundle(tmp_path):
    futures = {key: CondorFuture(key) for key in ("c0", "c1")}
    return Bundle("b000001", tmp_path, Options({}, True), futures, Job("b000001", True), usages=Usages(tmp_path))


def test_a_job_that_ran_twice(bundle, tmp_path):
    """It waited until its first run; the sizes of the files are those of both runs."""
    log(tmp_path, "evicted_then_finished")
    assert bundle.usage("c0") == Usage(
        job_queued=1.038, job_memory=8 * MiB, job_disk=182 << 10, job_received=347414, job_sent=289
    )


def test_the_values_of_a_running_job_grow(bundle, tmp_path):
    """The log is read as far as it goes."""
    text = log(tmp_path, "evicted_fast_then_finished")
    whole = (tmp_path / "event_log").read_text()
    (tmp_path / "event_log").write_text(whole[: whole.index("005 (")])
    before = bundle.usage("c0")
    assert (before.job_memory, before.job_disk) == (22848 << 10, None)
    with (tmp_path / "event_log").open("a") as file:
        file.write(text[text.index("005 (") :])
    after = bundle.usage("c0")
    assert (after.job_memory, after.job_disk) == (25 * MiB, 182 << 10)
    assert after.job_queued == before.job_queued


def test_each_call_of_a_job_has_its_own_values(bundle):
    times = {"submitted": 90.5, "started": 100.0}
    outcomes(
        bundle.path("outcomes"),
        {"call": "c0", **times, "ended": 101.0, "usage": [0.5, 3 * MiB]},
        {"call": "c1", **times, "ended": 102.5, "usage": [2.0, None]},
    )
    assert bundle.usage("c1") == Usage(wall=2.5, cpu=2.0, waited=9.5)
    assert bundle.usage("c0") == Usage(wall=1.0, cpu=0.5, memory=3 * MiB, waited=9.5)
    assert bundle.usage("c2") == Usage()


def test_a_call_that_ends_after_another_was_asked_about(bundle):
    """As a bundle whose job runs again."""
    outcomes(bundle.path("outcomes"), {"call": "c0", "usage": [1.0, None]})
    assert bundle.usage("c1") == Usage()
    outcomes(bundle.path("outcomes"), {"call": "c0", "usage": [1.0, None]}, {"call": "c1", "usage": [2.0, None]})
    assert bundle.usage("c1") == Usage(cpu=2.0)


def test_an_outcome_of_an_older_version(bundle):
    """It has the times only."""
    outcomes(bundle.path("outcomes"), {"call": "c0", "started": 100.0, "ended": 101.0})
    assert bundle.usage("c0") == Usage(wall=1.0)


@pytest.mark.parametrize(
    "header",
    [
        {"usage": "much"},
        {"usage": [1.0]},
        {"usage": [float("nan"), float("inf")]},
        {"usage": [-1, 10**400]},
        {"usage": [True, "1"]},
        {"started": [], "ended": {}},
        {"started": float("nan"), "ended": 5.0},
    ],
    ids=str,
)
def test_what_a_call_wrote_instead_is_not_known(bundle, header):
    outcomes(bundle.path("outcomes"), {"call": "c0", **header})
    assert bundle.usage("c0") == Usage()


def test_a_future_tells_nothing_before_its_call_has_ended(bundle):
    future = bundle.futures["c0"]
    outcomes(bundle.path("outcomes"), {"call": "c0", "usage": [1.0, None]})
    assert (future.usage, CondorFuture("c0").usage) == (None, None)
    future.resolve(1, None)
    assert future.usage == Usage(cpu=1.0)


def test_files_that_are_gone(bundle, tmp_path):
    """The session was removed, or another's pipe is in the place of its log."""
    log(tmp_path, "evicted_then_finished")
    assert bundle.usage("c0").job_memory == 8 * MiB
    shutil.rmtree(tmp_path)
    assert bundle.usage("c0").job_memory == 8 * MiB
    assert Usages(tmp_path).jobs() == {}


def test_the_table_has_each_call_once(bundle, tmp_path):
    """In the order of submission, from all files of outcomes, but not of bundles that were cancelled."""
    for name in ("bundles/000/b000001", "bundles/000/b000002", "lines/b000003/aa", "streams/b000001/bb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    outcomes(tmp_path / "bundles/000/b000001.outcomes", {"call": "c000001", "result": "value", "host": "ep1"})
    outcomes(tmp_path / "bundles/000/b000002.outcomes", {"call": "c000009"})
    (tmp_path / "bundles/000/b000002.cancelled").touch()
    outcomes(
        tmp_path / "lines/b000003/aa.outcomes",
        {"call": "c1000000", "started": 1e300, "result": 7, "host": []},
        {"call": "c000002", "started": 5.0, "ended": 6.0},
        {"call": 5},
    )
    outcomes(tmp_path / "streams/b000001/bb.outcomes", {"call": "c000001", "result": "value", "host": "ep1"})
    log(tmp_path, "evicted_then_finished")
    first, second, third = Usages(tmp_path).table()
    assert (first["key"], first["job_id"], first["host"], first["job_memory"]) == ("c000001", "84.0", "ep1", 8 * MiB)
    assert first["requested_memory"] == 128 * MiB
    assert (second["key"], second["job_id"], second["wall"]) == ("c000002", None, 1.0)
    assert second["started"].timestamp() == 5.0
    assert (third["key"], third["started"], third["result"], third["host"]) == ("c1000000", None, None, None)


def test_an_outcome_that_was_streamed_is_of_the_job_of_its_bundle(bundle, tmp_path):
    log(tmp_path, "evicted_then_finished")
    outcomes(tmp_path / "aa.outcomes", {"call": "c0", "usage": [1.0, None]})
    usage = bundle.usage("c0", Written(tmp_path / "aa.outcomes", 0, "", {}))
    assert (usage.cpu, usage.job_memory) == (1.0, 8 * MiB)


def test_a_session_of_an_older_version():
    """It has times, and an event log."""
    table = Usages(LOGS.parent / "old_sessions" / "sweep").table()
    assert table
    assert all(row["memory"] is None for row in table)
    assert any(row["wall"] is not None and row["job_memory"] is not None for row in table)


def test_the_largest_of_a_job(bundle, tmp_path):
    """That of its job, or of a call and its supervisor; calls that did not return do not count."""
    log(tmp_path, "evicted_then_finished")
    usages, path = Usages(tmp_path), bundle.path("outcomes")
    assert usages.largest("b000001", path) == (None, None)
    outcomes(path, {"call": "c0", "result": "exception", "usage": [1.0, 99 * MiB]})
    assert usages.largest("b000001", path) == (None, None)
    outcomes(path, {"call": "c0", "result": "value", "usage": [1.0, None]})
    assert usages.largest("b000001", path) == (8 * MiB, 182 << 10)
    outcomes(path, *({"call": "c0", "result": "value", "usage": [1.0, memory]} for memory in (20 * MiB, 3 * MiB)))
    assert usages.largest("b000001", path) == (20 * MiB + SUPERVISOR, 182 << 10)
    assert usages.largest("b000002", path) == (20 * MiB + SUPERVISOR, None)
