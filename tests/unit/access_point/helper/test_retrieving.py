"""Outcomes that do not fit on this disk."""

from __future__ import annotations

from condor_futures.access_point.helper import retrieving


def test_outcomes_that_do_not_fit_keep_no_others_from_coming(monkeypatch):
    """The same applies to an outcome that can never be retrieved."""
    performer = retrieving.Retrieving()
    broken = performer._htcondor.HTCondorException
    reasons = {"1.3": "Error: writing to file b3: (errno 28) No space left on device", "1.7": "no such job"}
    came, may_leave = set(), []

    class Schedd:
        def retrieve(self, jobs):
            for job in jobs:
                if job in reasons:
                    raise broken(reasons[job])
                came.add(job)

        def query(self, *_):
            return []

        def edit(self, constraint, attribute, value):
            may_leave.append((constraint, attribute, value))

    performer._schedd = Schedd()
    monkeypatch.setattr(performer, "_reach", lambda: None)
    jobs = [f"1.{number}" for number in range(9)]
    answer = performer.retrieve(jobs)
    assert answer == {"failed": {"1.7": reasons["1.7"]}, "no_room": {"1.3": reasons["1.3"]}}
    assert came == set(jobs) - set(reasons)
    [(constraint, attribute, value)] = may_leave
    assert (attribute, value) == ("LeaveJobInQueue", "false")
    assert [job for job in jobs if f"ProcId == {job[-1]})" not in constraint] == list(reasons)
