"""Short calls: one after another, dependent, many."""

from __future__ import annotations

from functools import partial

import work
from measuring import PROCESSES, Goal, Row, Run, condor, processes


def one_after_another(run: Run) -> list[Row]:
    program, full, quick = work.WARM["one-after-another"]
    count = run.size(full, quick)
    ours, theirs = ([1e3 * s for s in program(executor, count)] for executor in (run.executor(), run.processes()))
    goals = [Goal(1.5), Goal(0.5, "parsl")]
    return [Row("one-after-another", "one call after another", "ms", ours, {PROCESSES: theirs}, goals)]


def chain(run: Run) -> list[Row]:
    program, full, quick = work.WARM["chain"]
    count = run.size(full, quick)
    # One chain takes milliseconds.
    ours, theirs = (
        [1e3 * program(executor, count) for _ in range(run.size(20, 1))]
        for executor in (run.executor(), run.processes())
    )
    return [Row("chain", f"chain of {count} dependent calls", "ms", ours, {PROCESSES: theirs}, [Goal(20)])]


def submits(run: Run) -> list[Row]:
    program, full, quick = work.WARM["submits"]
    count = run.size(full, quick)
    ours, theirs = run.times(lambda: program(run.executor(), count)), run.times(lambda: program(run.processes(), count))
    references = {"ideal": [count * work.NAP / work.SLOTS], PROCESSES: theirs}
    return [Row("submits", f"{count} submits of 10 ms", "s", ours, references, [Goal(1.1, "ideal")])]


def map_of_naps(run: Run) -> list[Row]:
    name, full, quick = work.COLD
    count = run.size(full, quick)
    taken: dict[str, list[tuple[float, float]]] = {"spooled": [], "unspooled": [], PROCESSES: []}
    for _ in range(run.rounds):
        for way, make in (("spooled", condor), ("unspooled", partial(condor, spool=False)), (PROCESSES, processes)):
            run.free_the_slots()
            taken[way].append(work.mapped_naps(make, count))
    first, total = ({way: [pair[index] for pair in pairs] for way, pairs in taken.items()} for index in (0, 1))
    ideal = [count * work.NAP / work.SLOTS]
    what = f"{count:,} x 10 ms by map, from making the executor"
    return [
        Row(
            name if spool == "spooled" else f"{name}-{spool}",
            f"{what}, {spool}",
            "s",
            total[spool],
            {"ideal": ideal, PROCESSES: total[PROCESSES]},
            [Goal(1.1, "ideal")],
        )
        for spool in ("spooled", "unspooled")
    ] + [
        Row(
            "first-value" if spool == "spooled" else f"first-value-{spool}",
            f"its first value, {spool}",
            "s",
            first[spool],
            {PROCESSES: first[PROCESSES]},
            [Goal(limit)],
        )
        for spool, limit in (("spooled", 2.5), ("unspooled", 1.5))
    ]


def mapped(run: Run) -> list[Row]:
    program, full, quick = work.WARM["map"]
    count = run.size(full, quick)
    rows = []
    for name, options, limit in (("map", {}, 4_000), ("map-100", {"chunksize": 100}, 10_000)):
        rates = [
            [count / program(executor, count, **options) for _ in range(run.rounds)]
            for executor in (run.executor(), run.processes())
        ]
        chunks = "chunksize=100" if options else "default chunksize"
        goals = [Goal(limit, at_least=True)]
        what = f"{count:,} trivial calls by map, {chunks}"
        rows.append(Row(name, what, "calls/s", rates[0], {PROCESSES: rates[1]}, goals, rate=True))
    return rows


CASES = {
    "one-after-another": one_after_another,
    "chain": chain,
    "submits": submits,
    "map": mapped,
    "map-of-naps": map_of_naps,
}
