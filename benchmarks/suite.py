"""Measure this executor beside other ways to make the same calls, on one personal pool with 4 slots, in one run.

Prints a table, and writes JSON and plots. NAME is a case, or a group of cases, of the list below. Rows that are not
measured this time are kept in the JSON.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
# Before HTCondor's bindings are imported: they complain where there is no configuration.
os.environ.setdefault("CONDOR_CONFIG", os.devnull)

import calls  # noqa: E402
import client  # noqa: E402
import data  # noqa: E402
import htcondor2  # noqa: E402
import jobs  # noqa: E402
import libraries  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import work  # noqa: E402
from measuring import Row, Run, wait_until_quiet  # noqa: E402

from condor_futures.personal import PersonalPool  # noqa: E402

GROUPS: dict[str, dict[str, Callable[[Run], list[Row]]]] = {
    "calls": calls.CASES,
    "client": client.CASES,
    "data": data.CASES,
    "libraries": libraries.CASES,
    "jobs": jobs.CASES,
}
#: Takes minutes, and writes gigabytes: only if it is named.
LARGE = {"million"}
#: The other cases share executors, and come first. These need executors, or a pool, without a history.
COLD = {"values", "map-of-naps", "shared", "memory", "million", *jobs.CASES}
#: In these rows the peers' seconds are numbers of another unit.
FACTORS: dict[str, Callable[[float], float]] = {
    "one-after-another": lambda seconds: 1e3 * seconds,
    "chain": lambda seconds: 1e3 * seconds,
    "map": lambda seconds: work.WARM["map"][1] / seconds,
}


def chosen(names: list[str], *, quick: bool) -> dict[str, Callable[[Run], list[Row]]]:
    """The cases of some names of cases or groups."""
    cases = {name: case for group in GROUPS.values() for name, case in group.items()}
    unknown = [name for name in names if name not in {*cases, *GROUPS}]
    if unknown:
        raise SystemExit(f"no such case: {', '.join(unknown)}; there are:\n{listing()}")
    wanted = {name for given in names for name in GROUPS.get(given, {given: None})}
    selected = [name for name in cases if (name in wanted if names else quick or name not in LARGE)]
    return {name: cases[name] for name in sorted(selected, key=lambda name: name in COLD)}


def listing() -> str:
    return "\n".join(f"  {group}: {', '.join(cases)}" for group, cases in GROUPS.items())


@contextmanager
def pool() -> Iterator[Path]:
    """A personal pool of this run alone, which also the bindings and the peers use."""
    state = Path(tempfile.mkdtemp(prefix="condor-futures-bench-"))
    os.environ["XDG_STATE_HOME"] = str(state)
    personal = PersonalPool(slots=work.SLOTS)
    try:
        personal.start()
        os.environ.update(personal.environment())
        htcondor2.reload_config()
        yield state
    finally:
        personal.stop()
        shutil.rmtree(state, ignore_errors=True)


@contextmanager
def told(name: str) -> Iterator[None]:
    """Tell what is measured, and how long it took."""
    print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
    began = time.perf_counter()
    try:
        yield
    finally:
        print(f"{time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)


def measure_cases(
    cases: dict[str, Callable[[Run], list[Row]]], run: Run, patience: float
) -> tuple[list[Row], list[str]]:
    """Return the rows of the cases, and the names of cases that failed."""
    rows, failed = [], []
    for name, case in cases.items():
        wait_until_quiet(patience)
        with told(name):
            try:
                rows += [replace(row, case=name) for row in case(run)]
            except Exception:  # noqa: BLE001 - the other cases are still worth their time
                failed.append(name)
                traceback.print_exc()
                run.close()
    run.close()
    return rows, failed


def measure_peers(rows: list[Row], rounds: int, directory: Path, patience: float) -> dict[str, str]:
    """Add what the peers take for the same calls to the rows. Return the versions of the peers."""
    versions: dict[str, str] = {}
    names = sorted({row.case for row in rows} & {*work.WARM, work.COLD[0]})
    for peer, package in peers.PEERS.items() if names else ():
        wait_until_quiet(patience)
        with told(package):
            measured = peers.measure(peer, names, rounds, directory)
        versions[package] = peers.version(peer)
        for row in rows:
            name = row.name.removesuffix("-unspooled")
            if name in measured["seconds"]:
                row.references[peer] = [FACTORS.get(name, float)(value) for value in measured["seconds"][name]]
                row.loads[peer] = round(measured["loads"][name], 2)
    return versions


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description=__doc__,
        epilog="cases:\n" + listing(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the names of all cases, and exit")
    parser.add_argument("--quick", action="store_true", help="few calls, without peers: does it work at all?")
    parser.add_argument("--rounds", type=int, default=3, help="how often each measurement is made (default: 3)")
    parser.add_argument(
        "--patience", type=float, default=0, help="seconds to wait for a quiet machine before each case (default: 0)"
    )
    parser.add_argument("--no-peers", action="store_true", help="without dask-jobqueue and parsl")
    parser.add_argument("--output", type=Path, default=HERE / "results", help="directory for JSON and plots")
    parser.add_argument("--docs", action="store_true", help="write into docs/explanation/performance instead")
    parser.add_argument("--remove-environments", action="store_true", help="remove the peers' environments, and exit")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.list:
        print(*(name for group in GROUPS.values() for name in group), sep="\n")
        return
    if options.remove_environments:
        peers.remove_environments()
        return
    output = HERE.parent / "docs" / "explanation" / "performance" if options.docs else options.output
    cases = chosen(options.names, quick=options.quick)
    versions: dict[str, str] = {}
    with pool() as state:
        run = Run(quick=options.quick, rounds=options.rounds)
        rows, failed = measure_cases(cases, run, options.patience)
        if not options.quick and not options.no_peers:
            versions = measure_peers(rows, options.rounds, state / "peers", options.patience)
    report.show(rows)
    everything = report.write_json(output / "results.json", rows, versions)
    report.plot(output, everything)
    if options.docs:
        report.write_markdown(output / "table.md", everything)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")
