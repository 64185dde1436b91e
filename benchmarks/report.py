"""The results of a run as a table, JSON, Markdown and plots."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import htcondor2
from measuring import Goal, Row, number
from rich.console import Console
from rich.table import Table

COLUMNS = ("case", "ours", "p95", "references (ours is x times as large)", "must reach", "")
COLORS = {"reached": "green", "missed": "red"}


def cells(row: Row) -> list[str]:
    """A row of the table; lines within a cell are separated by newlines."""
    ours = statistics.median(row.ours)
    references = []
    for name, values in row.references.items():
        median = statistics.median(values)
        references.append(f"{name} {number(median)} (x {number(ours / median)})")
    goals = [goal.text(row.unit) for goal in row.goals]
    return [
        row.what,
        f"{number(ours)} {row.unit}",
        number(row.p95()),
        "\n".join(references),
        "\n".join(goals),
        row.verdict(),
    ]


def table(rows: list[Row]) -> Table:
    made = Table(*COLUMNS, title="condor_futures: medians")
    for row in rows:
        *others, verdict = cells(row)
        made.add_row(*others, f"[{COLORS[verdict]}]{verdict}" if verdict in COLORS else verdict)
    return made


def show(rows: list[Row]) -> None:
    # Where the output is not a terminal, rich would cut it at 80 characters.
    console = Console(width=None if Console().is_terminal else 150)
    console.print(table(rows))
    console.print(environment()["text"])


def environment() -> dict[str, Any]:
    """Describe the machine and the versions."""
    version = htcondor2.version().split()[1]
    cores = os.cpu_count()
    text = f"{cores} cores, HTCondor {version}, Python {platform.python_version()}, {platform.system()}"
    return {"cores": cores, "htcondor": version, "python": platform.python_version(), "text": text}


def write_json(path: Path, rows: list[Row], versions: dict[str, str]) -> list[Row]:
    """Write the rows into a JSON file; what the file has of earlier runs remains if it was not measured now.

    Returns:
        All rows of the file.

    """
    known: dict[str, Any] = {}
    if path.exists():
        old = json.loads(path.read_text())
        known = {row["name"]: row for row in old["rows"]}
        versions = {**old["peers"], **versions}
    for row in rows:
        old = known.get(row.name, {})
        new = asdict(row)
        for field in ("references", "loads"):
            new[field] = {**old.get(field, {}), **new[field]}
        known[row.name] = new
    for row in known.values():
        row["ours"] = [float(f"{value:.5g}") for value in thinned(row["ours"])]
        row["references"] = {
            name: [float(f"{value:.5g}") for value in thinned(values)] for name, values in row["references"].items()
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"environment": environment(), "peers": versions, "rows": list(known.values())}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return [Row(**{**row, "goals": [Goal(**goal) for goal in row["goals"]]}) for row in known.values()]


def thinned(values: list[float]) -> list[float]:
    """At most 100 of the values, with about the same distribution."""
    return values if len(values) <= 100 else sorted(values)[:: -(-len(values) // 100)]


def write_markdown(path: Path, rows: list[Row]) -> None:
    versions = json.loads(path.with_name("results.json").read_text())["peers"]
    days = sorted({time.strftime("%-d %B %Y", time.gmtime(row.measured)) for row in rows})
    peers = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    loads = [row.load for row in rows]
    text = (
        f"`benchmarks/run.py` measured these numbers on {' and '.join(days)}: {environment()['text']}, a personal pool "
        f"with 4 slots{', ' + peers if peers else ''}. The load average was {min(loads):.1f} to {max(loads):.1f}, "
        "because other work ran on the machine. Each number is the median; 95 % of the measurements were at least as "
        "good as *p95*."
    )
    lines = [
        text,
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---" * len(COLUMNS) + "|",
    ]
    lines += ["| " + " | ".join(cell.replace("\n", "<br>") for cell in cells(row)) + " |" for row in rows]
    path.write_text("\n".join(lines) + "\n")


def plot(directory: Path, rows: list[Row]) -> list[Path]:
    """Draw what a table cannot show, as SVG."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "condor_futures", "svg.fonttype": "none", "font.size": 9})
    import matplotlib.pyplot as plt

    paths = []
    for row in rows:
        if row.series:
            figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
            for name, points in row.series.items():
                axes.loglog(*zip(*points, strict=True), "o-", label=name)
            axes.set(xlabel="calls", ylabel=f"{row.unit} per call", ylim=(1, None), title=row.what)
            axes.legend()
            paths.append(directory / f"{row.name}.svg")
            figure.savefig(paths[-1], metadata={"Date": None})
    compared = [row for row in rows if row.goals]
    if compared:
        # The ratio to the limit of the first goal: one picture for numbers of all units.
        figure, axes = plt.subplots(figsize=(6, 0.25 * len(compared) + 1), layout="constrained")
        for place, row in enumerate(reversed(compared)):
            color = {"reached": "tab:green", "missed": "tab:red"}.get(row.verdict(), "tab:gray")
            axes.barh(place, share(row), color=color)
        axes.set_yticks(range(len(compared)), [row.name for row in reversed(compared)])
        axes.axvline(1, color="black", linewidth=1)
        axes.set(xscale="log", xlabel="share of what is allowed; 1 is the goal")
        paths.append(directory / "goals.svg")
        figure.savefig(paths[-1], metadata={"Date": None})
    plt.close("all")
    return paths


def share(row: Row) -> float:
    """The worst share of the limits of the row's goals that is used; above 1, a goal is missed."""
    shares = []
    for goal in row.goals:
        if goal.than and goal.than not in row.references:
            continue
        limit = goal.limit * (statistics.median(row.references[goal.than]) if goal.than else 1)
        used = statistics.median(row.ours) / limit
        shares.append(1 / used if goal.at_least else used)
    return max(shares, default=float("nan"))
