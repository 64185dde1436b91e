"""A job for each call, without warm jobs, beside the same jobs submitted with bare htcondor2."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from bare import Bare
from measuring import Goal, Row, Run, condor, timed

BARE = "bare htcondor2"


def jobs(run: Run, count: int, *, spool: bool) -> list[Row]:
    """The two alternate. Each job runs on a claim that an earlier job has left."""
    run.free_the_slots()
    count = min(count, run.size(count, 4))
    calls = [(number, 2) for number in range(count)]
    expected = [number**2 for number in range(count)]
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    with condor(warm=0, spool=spool) as executor, closing(Bare(spool=spool)) as bare:

        def ours() -> None:
            futures = [executor.submit(pow, *call) for call in calls]
            assert [future.result() for future in futures] == expected

        def theirs() -> None:
            assert bare.map(pow, calls) == expected

        rounds = run.size(5 * run.rounds if count == 1 else 2 * run.rounds, 1)
        for number in range(run.size(-1, 0), rounds):  # the first jobs wait for a negotiation
            taken = timed(theirs), timed(ours)
            if number >= 0:
                times["theirs"].append(taken[0])
                times["ours"].append(taken[1])
    how = "spooled" if spool else "unspooled"
    what = f"{count} call{'s' if count > 1 else ''}, a job for each (warm=0), {how}"
    name = f"jobs-{'one' if count == 1 else 'many'}-{how}"
    return [Row(name, what, "s", times["ours"], {BARE: times["theirs"]}, [Goal(1.05, BARE)])]


CASES = {
    f"jobs-{number}-{'spooled' if spool else 'unspooled'}": partial(jobs, count=count, spool=spool)
    for number, count in (("one", 1), ("many", 100))
    for spool in (True, False)
}
