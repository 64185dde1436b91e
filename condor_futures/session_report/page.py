"""Writes the report as one HTML page, which loads nothing from elsewhere and has no script.

Every text of the session, such as the message of an exception, is escaped.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from condor_futures.session_report.data import BRIEF, ENOUGH, SLOW, Group, Report
from condor_futures.session_report.distributions import MEMORY_MARGIN, MEMORY_QUANTILE
from condor_futures.session_report.plots import Format

__all__ = ["duration", "render"]

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
p.note { color: #666; font-size: .9rem; margin: .3rem 0; } img { width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #e3e3e3; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td { overflow-wrap: break-word; } td:nth-child(3) { overflow-wrap: anywhere; }
pre { white-space: pre-wrap; font-size: .82rem; background: #f6f6f6; padding: .5rem; }
.facts { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 1rem 0; }
.facts div span { display: block; font-size: 1.35rem; } .bad { color: #b3263b; }
"""

_OF_GRAPH: Final = "A box is the calls of one function that are as many calls away from the first ones."
_TIME: Final = "%Y-%m-%d %H:%M:%S"
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def render(report: Report, pictures: Mapping[str, bytes], kind: Format) -> str:
    """Return the page.

    Args:
        report: the numbers.
        pictures: the plots, see :func:`condor_futures.session_report.plots.draw`.
        kind: the format of the plots.

    """
    images = {name: _image(name, picture, kind) for name, picture in pictures.items()}
    body = [
        *_head(report),
        *_timeline(report, images),
        *_run_times(report, images),
        *_functions(report, images),
        *_memory(report, images),
        "<h2>Calls that failed</h2>",
        *_failures(report.failures, "calls", "No call failed."),
        "<h2>Holds, evictions and repeated jobs</h2>",
        *_failures(report.problems, "jobs", "The event log has none."),
        *_machines(report),
    ]
    return _PAGE.format(title=f"Session {html.escape(report.info.id)}", style=_STYLE, body="\n".join(body))


def duration(seconds: float) -> str:
    """Return a time span in the unit that suits it.

    >>> duration(0.0042), duration(12.34), duration(600), duration(86400)
    ('4.2 ms', '12.3 s', '10.0 min', '24.0 h')

    """
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    for most, unit, name in ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172800.0, 3600.0, "h")):
        if seconds < most:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds / 86400:.1f} d"


def _image(name: str, picture: bytes, kind: Format) -> str:
    media = "image/svg+xml" if kind == "svg" else "image/png"
    data = base64.b64encode(picture).decode()
    return f'<img id="{name}" alt="{name.replace("_", " ")}" src="data:{media};base64,{data}">'


def _head(report: Report) -> list[str]:
    info = report.info
    waits = report.calls - report.succeeded - report.failed
    used = sum(report.slot_time[state] for state in ("running", "idle while warm", "transfer"))
    facts = [
        ("calls", f"{report.calls:,}", ""),
        ("succeeded", f"{report.succeeded:,}", ""),
        ("failed", f"{report.failed:,}", "bad" if report.failed else ""),
        ("without an outcome", f"{waits:,}", "bad" if waits and info.state == "finished" else ""),
        ("attempts repeated", f"{report.again:,}", ""),
        ("jobs", f"{report.jobs:,}", ""),
        ("restarts of jobs", f"{report.restarts:,}", ""),
        ("run time of all calls", duration(report.call_time), ""),
        ("time with a slot", duration(used), ""),
    ]
    if report.waited is not None:
        facts.append(("median wait of a call", duration(report.waited), ""))
    if report.cpu is not None:
        facts.append(("CPU time per run time", f"{report.cpu:.0%}", ""))
    cells = [f'<div class="{style}"><span>{value}</span>{name}</div>' for name, value, style in facts]
    until = datetime.fromtimestamp(report.until)  # noqa: DTZ006 - the user's time
    notes = [f"Session {info.state}. Started {info.started:{_TIME}}; this page shows it until {until:{_TIME}}."]
    if waits and info.state != "finished":
        notes.append("Outcomes that are still at the access point are not in this page.")
    elif waits:
        notes.append("Calls without an outcome were cancelled, or their jobs failed: see the holds below.")
    if not report.jobs:
        notes.append(
            "The event log has no jobs, for example because the access point does not see the session directory."
        )
    return [
        f"<h1>Session {html.escape(info.id)}</h1>",
        *(f'<p class="note">{html.escape(note)}</p>' for note in (str(info.directory), *notes)),
        f'<div class="facts">{"".join(cells)}</div>',
    ]


def _timeline(report: Report, images: Mapping[str, str]) -> list[str]:
    if report.timeline is None:
        return ["<h2>Timeline</h2>", "<p>Nothing has run yet.</p>"]
    total = sum(report.slot_time.values()) or 1.0
    rows = [(state, duration(time), f"{time / total:.0%}") for state, time in report.slot_time.items() if time]
    several = report.timeline.jobs_per_row
    note = f"Each row is {several} jobs, in the order of their submission. Colours are mixed. " if several > 1 else ""
    return [
        "<h2>Timeline of jobs</h2>",
        f'<p class="note">{note}A warm job is running while it makes a call, and idle between calls.</p>',
        images["timeline"],
        _table(("state", "time of all jobs", "share"), rows, numbers=(1, 2)),
        "<h2>Jobs and calls over time</h2>",
        images["concurrency"],
    ]


def _run_times(report: Report, images: Mapping[str, str]) -> list[str]:
    if not report.quantiles:
        return []
    low, median, high, longest = map(duration, report.quantiles)
    return [
        "<h2>Run times</h2>",
        f"<p>Half of the calls took at most {median}; 90 % between {low} and {high}; the longest {longest}.</p>",
        images["run_times"],
    ]


def _functions(report: Report, images: Mapping[str, str]) -> list[str]:
    rows = [
        (
            function.name,
            f"{function.calls:,}",
            f"{function.failed:,}",
            duration(function.median) if function.median is not None else "",
            duration(function.longest) if function.longest is not None else "",
            f"{function.memory / (1 << 20):,.0f} MiB" if function.memory is not None else "",
        )
        for function in report.functions
    ]
    lines = []
    if rows:
        heads = ("function", "calls", "failed", "median run time", "longest", "largest memory")
        lines += ["<h2>Functions</h2>", _table(heads, rows, numbers=(1, 2, 3, 4, 5))]
    if report.dependent:
        lines += [
            "<h2>Dependencies</h2>",
            f"<p>{report.dependent:,} calls wait for others. {_OF_GRAPH}</p>",
            images.get("graph", "<p>The graph is too large to be drawn.</p>"),
        ]
    return lines


def _memory(report: Report, images: Mapping[str, str]) -> list[str]:
    memory = report.memory
    if memory is None:
        return ["<h2>Memory</h2>", "<p>No memory was measured.</p>"]
    needs = (
        f"{MEMORY_QUANTILE:.0%} of the {memory.measured} needed at most {memory.quantile / (1 << 20):,.0f} MiB; the "
        f"largest need was {memory.largest / (1 << 20):,.0f} MiB."
    )
    requested = ", ".join(f"{count:,} jobs {size >> 20:,} MiB" for size, count in memory.requests.items())
    advice = ""
    if memory.suggestion is not None:
        suggestion = f"<code>request_memory={memory.suggestion >> 20}</code>"
        advice = f"Suggestion: {suggestion} (MiB: this need, and {MEMORY_MARGIN - 1:.0%} more)."
    lines = [needs, f"Requested: {requested}." if requested else "", advice]
    notes = []
    if memory.brief:
        notes.append(
            f"Most jobs ran for less than {BRIEF:.0f} s. HTCondor measures at intervals, so their values are too low; "
            "do not request less because of them."
        )
    return [
        "<h2>Memory</h2>",
        f"<p>{' '.join(line for line in lines if line)}</p>",
        *(f'<p class="note">{note}</p>' for note in notes),
        images["memory"],
    ]


def _failures(groups: Sequence[Group], what: str, none: str) -> list[str]:
    if not groups:
        return [f"<p>{none}</p>"]
    rows = []
    for group in groups:
        reason = html.escape(group.reason)
        if group.traceback:
            reason += f"<details><summary>traceback</summary><pre>{html.escape(group.traceback)}</pre></details>"
        where = group.hosts[0] if len(group.hosts) == 1 else f"{len(group.hosts):,} machines" if group.hosts else ""
        cells = (html.escape(text) for text in (where, ", ".join(group.examples)))
        rows.append((f"{group.count:,}", html.escape(group.kind), reason, *cells))
    heads = ("number", "kind", "reason", "where", f"{what}, for example")
    return [_table(heads, rows, numbers=(0,), escaped=True)]


def _machines(report: Report) -> list[str]:
    if not report.machines:
        return []
    slow = sum(machine.slow for machine in report.machines)
    rows = [
        (
            machine.host or "(unknown)",
            "slow" if machine.slow else "",
            f"{machine.calls:,}",
            f"{machine.failed:,}",
            duration(machine.median) if machine.median is not None else "",
            f"{machine.ratio:.2f}" if machine.ratio is not None else "",
        )
        for machine in report.machines
    ]
    others = f" {report.other_machines:,} more machines are not shown." if report.other_machines else ""
    verdict = (
        f"{slow or 'No'} {'machine is' if slow == 1 else 'machines are'} slow: at least {ENOUGH} calls, and a median "
        f"run time of at least {SLOW} times that of all calls.{others}"
    )
    return [
        "<h2>Machines</h2>",
        f"<p>{verdict}</p>",
        '<p class="note">If your calls differ much, a machine may just have had the long ones.</p>',
        _table(("machine", "", "calls", "failed", "median run time", "compared to all"), rows, numbers=(2, 3, 4, 5)),
    ]


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), escaped: bool = False
) -> str:
    def line(tag: str, cells: Sequence[str]) -> str:
        parts = []
        for place, cell in enumerate(cells):
            text = cell if escaped else html.escape(cell)
            style = ' class="n"' if place in numbers else ""
            parts.append(f"<{tag}{style}>{text}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    return "\n".join(["<table>", line("th", heads), *(line("td", row) for row in rows), "</table>"])
