"""The cost of calls to the client: CPU, memory, queueing and cancelling."""

from __future__ import annotations

import time
from concurrent.futures import wait
from typing import Any

import work
from measuring import Goal, Row, Run, condor, in_new_process, resident


def client_cpu(run: Run) -> list[Row]:
    """The CPU time of all threads of the client; its helper process does nothing for calls of warm jobs."""
    count = run.size(10_000, 100)
    executor = run.executor()

    def cpu() -> float:
        began = time.process_time()
        wait([executor.submit(work.nothing, number) for number in range(count)])
        return 1e6 * (time.process_time() - began) / count

    what = f"CPU of the client per call, submit to resolved, {count:,} calls"
    return [Row("client-cpu", what, "µs", run.times(cpu), goals=[Goal(120)])]


def pending(count: int, by: str) -> dict[str, float]:
    """Queue calls that cannot run, and cancel them.

    Returns:
        Seconds to queue them, bytes per call, and seconds until they are cancelled and the executor is shut down.

    """
    with condor(max_workers=1) as executor:
        busy = executor.submit(time.sleep, 3600)
        before, began = resident(), time.perf_counter()
        calls: Any
        if by == "map":
            calls = executor.map(work.nothing, range(count))
        else:
            calls = [executor.submit(work.nothing, number) for number in range(count)]
        queued = time.perf_counter() - began
        time.sleep(min(2.0, count / 10_000))  # the watcher has messages to read
        size = resident() - before
        began = time.perf_counter()
        if by == "map":
            executor.shutdown(wait=False, cancel_futures=True)
            calls.close()
        else:
            for call in calls:
                call.cancel()
        busy.cancel()
        executor.shutdown()
        return {"queue": queued, "bytes": size / count, "cancel": time.perf_counter() - began}


def memory(run: Run) -> list[Row]:
    """Also how long cancelling takes, which needs calls that are pending."""
    run.free_the_slots()
    few, many = run.size(10_000, 50), run.size(100_000, 500)
    by_submit = [in_new_process(pending, many, "submit") for _ in range(run.rounds)]
    fewer = [in_new_process(pending, few, "submit") for _ in range(run.rounds)]
    by_map = [in_new_process(pending, many, "map") for _ in range(run.rounds)]
    cancel, cancel_few = [one["cancel"] for one in by_submit], [one["cancel"] for one in fewer]
    linear = [many / few * seconds for seconds in cancel_few]
    what = "memory per pending call,"
    sizes = [[one["bytes"] / 1024 for one in way] for way in (by_submit, by_map)]
    reference = f"{many // few} x {few:,} calls"
    return [
        Row("memory-submit", f"{what} {many:,} by submit", "KB", sizes[0], goals=[Goal(1.0)]),
        Row("memory-map", f"{what} {many:,} by map", "KB", sizes[1], goals=[Goal(0.5)]),
        Row(
            "cancel",
            f"cancelling {many:,} pending calls, and shutting down",
            "s",
            cancel,
            {reference: linear},
            [Goal(10), Goal(1.2, reference)],
        ),
    ]


def million(run: Run) -> list[Row]:
    """A million calls that do nothing by map, and fewer for comparison."""
    run.free_the_slots()
    counts = [1_000, 10_000, 100_000, 1_000_000] if not run.quick else [10, 100]
    taken = in_new_process(maps, counts)
    last, tenth = str(counts[-1]), str(counts[-1] // 100)
    what = f"{counts[-1]:,} trivial calls by map:"
    per_call = {at: 1e6 * taken[at]["done"] / int(at) for at in taken}
    reference = f"{int(tenth):,} calls" if tenth in taken else f"{counts[0]:,} calls"
    few = per_call.get(tenth, per_call[str(counts[0])])
    series = {
        phase: [[int(at), 1e6 * seconds[phase] / int(at)] for at, seconds in taken.items()]
        for phase in ("queued", "done")
    }
    return [
        Row("million-queued", f"{what} all queued", "s", [taken[last]["queued"]], goals=[Goal(60)]),
        Row("million-done", f"{what} all done", "s", [taken[last]["done"]], goals=[Goal(240)]),
        Row("million-memory", f"{what} memory per call when queued", "KB", [taken[last]["bytes"] / 1024]),
        Row(
            "million-flat",
            f"{what} cost per call",
            "µs",
            [per_call[last]],
            {reference: [few]},
            [Goal(1.2, reference)],
            series=series,
        ),
    ]


def maps(counts: list[int]) -> dict[str, dict[str, float]]:
    """For some numbers of calls: seconds until they are queued and done, and bytes per call when queued."""
    taken = {}
    with condor() as executor:
        work.warm_up(executor)
        for count in counts:
            before, began = resident(), time.perf_counter()
            values = executor.map(work.nothing, range(count))
            queued = time.perf_counter() - began
            size = (resident() - before) / count
            assert sum(values) == sum(range(count))
            taken[str(count)] = {"queued": queued, "done": time.perf_counter() - began, "bytes": size}
    return taken


CASES = {"client-cpu": client_cpu, "memory": memory, "million": million}
