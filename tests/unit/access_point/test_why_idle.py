"""Why a job is idle: one sentence for each analysis that condor_q 25.14 printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from condor_futures.access_point import job_info
from condor_futures.access_point.location import Location
from condor_futures.access_point.why_idle import explain, why_idle
from condor_futures.errors import AccessPointError

ANALYSES = Path(__file__).parents[1].parent / "analyses"


def analysis(name):
    return (ANALYSES / f"{name}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "memory_and_cores",
            (
                "the pool's only slot does not have 512 GiB of memory and 200 cores "
                "(TARGET.Memory >= RequestMemory and TARGET.Cpus >= RequestCpus)"
            ),
        ),
        ("machine", 'the pool\'s only slot does not meet Machine == "nowhere"'),
        ("undefined", "the pool's only slot does not meet TARGET.Memory >= RequestMemory"),
        (
            "disk",
            (
                "the pool's only slot meets the job's requirements, but its own requirements refuse the job: the job "
                "requests more than is available (disk, GPUs), or other users or jobs come first"
            ),
        ),
        ("busy", "the pool's only slot meets the job's requirements, but it is in use"),
        ("limit", "the negotiator says: concurrency limit foo reached"),
    ],
)
def test_analysis_in_a_sentence(name, sentence):
    assert explain(analysis(name)) == sentence


def test_pools_of_several_slots():
    """The number of unsuitable slots may be all, some or one."""
    none = analysis("memory_and_cores").replace("Of 1 slots", "Of 80 slots").replace("      1 slots", "     80 slots")
    assert explain(none).startswith("none of the pool's 80 slots has 512 GiB of memory")
    busy = (
        analysis("busy").replace("Of 1 slots", "Of 80 slots").replace("      0 slots are rej", "     77 slots are rej")
    )
    assert explain(busy) == "3 of the pool's 80 slots meet the job's requirements, but all of these are in use"
    one = busy.replace("77 slots", "79 slots")
    assert explain(one) == "1 of the pool's 80 slots meets the job's requirements, but that one is in use"


def test_conditions_that_no_slot_meets_together():
    text = analysis("machine").replace("0  Machine ==", "1  Machine ==")
    assert explain(text).endswith("does not meet all requirements of the job, but each requirement is met by some slot")


def test_turn_that_has_not_come():
    text = analysis("busy").replace("0 slots match and are willing", "1 slots match and are willing")
    assert explain(text) == "1 slot of the pool would take it: its turn has not come yet"


def test_text_without_an_analysis():
    assert explain("") == "HTCondor has no analysis of the job"


def test_pool_without_slots():
    assert explain(analysis("busy").replace("Of 1 slots", "Of 0 slots")) == "the pool has no slots"


def test_tool_that_is_missing_or_fails_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(AccessPointError, match="there is none on PATH"):
        why_idle(Location(environment={"PATH": str(tmp_path)}), "1.0")
    program = tmp_path / "condor_q"
    program.write_text('#!/bin/sh\necho "no schedd: $*" >&2\nexit 1\n')
    program.chmod(0o755)
    with pytest.raises(AccessPointError, match=r"no schedd: -name ap1 -pool cm -better-analyze 1\.0"):
        why_idle(Location("cm", "ap1", {"PATH": f"{tmp_path}:/bin"}), "1.0")


class Queue:
    """An access point with these jobs."""

    given = Location()

    def __init__(self, *ads):
        self.ads = [{"ClusterId": n, "ProcId": 0, "JobStatus": 1, "QDate": 0, **ad} for n, ad in enumerate(ads)]

    def ask(self, operation, timeout, *, constraint, projection, mine):
        return [{name: value for name, value in ad.items() if name in projection} for ad in self.ads]

    def reasons(self):
        return [job.why_idle for job in job_info.query_jobs(self, "true", why=True)]


def test_one_analysis_for_all_jobs_that_ask_for_the_same(monkeypatch):
    """Jobs are grouped even before the negotiator has numbered their kinds.

    If there are many kinds, only some are analysed.
    """
    analysed = []
    monkeypatch.setattr(job_info, "why_idle", lambda _, job_id: analysed.append(job_id) or f"as {job_id}")
    alike = [{"RequestMemory": 1, "Requirements": "x"}] * 30
    assert Queue(*alike, {"RequestMemory": 2, "Requirements": "x"}).reasons() == ["as 0.0"] * 30 + ["as 30.0"]
    assert Queue({"AutoClusterId": 4, "RequestMemory": 1}, {"AutoClusterId": 4}, {"JobStatus": 2}).reasons() == [
        "as 0.0",
        "as 0.0",
        None,
    ]
    analysed.clear()
    reasons = Queue(*({"RequestMemory": n} for n in range(30))).reasons()
    assert len(analysed) == job_info._ANALYSES
    assert reasons[-1].startswith("not analysed, as 20 others were")


def test_an_analysis_that_fails_hides_no_job(monkeypatch):
    """One failure is enough: the next analysis may take as long."""
    analysed = []

    def fails(_, job_id):
        analysed.append(job_id)
        raise AccessPointError("there is no condor_q")

    monkeypatch.setattr(job_info, "why_idle", fails)
    assert Queue({"RequestMemory": 1}, {"RequestMemory": 2}).reasons() == ["not known: there is no condor_q"] * 2
    assert analysed == ["0.0"]


def test_jobs_that_are_not_matched_yet_need_no_analysis():
    blocked, preparing = job_info.query_jobs(Queue({"JobStatus": 9}, {"JobStatus": 10}), "true", why=True)
    assert (blocked.state, preparing.state) == ("blocked", "preparing")
    assert blocked.why_idle == "it waits for input files that it shares with other jobs"
