"""The plots of the report, drawn by matplotlib (the extra ``report``), each as the bytes of an SVG or PNG file."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from condor_futures.errors import CondorFuturesError
from condor_futures.session_report.data import Report, Timeline
from condor_futures.session_report.distributions import Histogram
from condor_futures.session_report.functions import Graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "Format", "draw"]

Format = Literal["svg", "png"]

COLOURS: Final = {
    "queued": "#c9d6e4",
    "transfer": "#f2c14e",
    "running": "#2b7a9e",
    "idle while warm": "#b9a3cf",
    "held": "#d1495b",
}
_SUCCEEDED, _FAILED, _REQUEST = "#2b7a9e", "#d1495b", "#333333"
_WIDTH: Final = 9.6  # inches
_MOST_LABELS: Final = 30
_LONGEST_NAME: Final = 28  # characters in a box of the graph
_UNITS: Final = ((2 * 86400.0, 86400.0, "days"), (2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"))


def draw(report: Report, kind: Format) -> dict[str, bytes]:
    """Draw those of the plots for which there are numbers: timeline, concurrency, run times, graph and memory.

    Raises:
        CondorFuturesError: matplotlib is not installed.

    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise CondorFuturesError(
            "the report is drawn by matplotlib, which is not installed here: pip install 'condor-futures[report]'"
        ) from None
    plots: dict[str, Callable[[Figure], None]] = {}
    sizes = {"timeline": 3.6, "concurrency": 4.4, "run_times": 2.8, "memory": 2.8}
    timeline, run_times, memory, graph = report.timeline, report.run_times, report.memory, report.graph
    if timeline is not None:
        sizes["timeline"] = min(max(1.4 + 0.16 * len(timeline.labels), 2.0), 6.0)
        plots["timeline"] = lambda figure: _timeline(figure, timeline)
        plots["concurrency"] = lambda figure: _concurrency(figure, timeline)
    if run_times is not None:
        plots["run_times"] = lambda figure: _run_times(figure, run_times)
    if graph is not None:
        sizes["graph"] = 0.8 + 0.75 * (1 + max(step.level for step in graph.steps))
        plots["graph"] = lambda figure: _graph(figure, graph)
    if memory is not None:
        plots["memory"] = lambda figure: _memory(figure, memory.histogram, memory.requests, memory.suggestion)
    pictures = {}
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
    }
    with mpl.rc_context({**style, "axes.spines.right": False}):
        for name, plot in plots.items():
            figure = Figure(figsize=(_WIDTH, sizes[name]), layout="constrained")
            plot(figure)
            file = io.BytesIO()
            figure.savefig(file, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
            pictures[name] = file.getvalue()
    return pictures


def _unit(seconds: float) -> tuple[float, str]:
    return next(((unit, name) for most, unit, name in _UNITS if seconds >= most), (1.0, "seconds"))


def _count_in_whole_numbers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _legend(axes: Axes, names: Mapping[str, str], **options: Any) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=colour, label=name) for name, colour in names.items()]
    axes.legend(handles=patches, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(patches), **options)


def _present(timeline: Timeline) -> dict[str, str]:
    """Return the colours of the states that occur."""
    return {state: COLOURS[state] for state, rows in timeline.cells.items() if any(map(any, rows))}


def _timeline(figure: Figure, timeline: Timeline) -> None:
    import numpy as np
    from matplotlib.colors import to_rgb

    axes = figure.subplots()
    cells = np.stack([np.array(timeline.cells[state]) for state in COLOURS], axis=-1)
    # A row with fewer jobs than others, and the time before and after a job, stay white in proportion.
    parts = np.clip(cells / timeline.jobs_per_row, 0, 1)
    colours = np.array([to_rgb(colour) for colour in COLOURS.values()])
    picture = np.clip(parts @ colours + (1 - parts.sum(axis=-1, keepdims=True)), 0, 1)
    length = timeline.end - timeline.begin
    unit, name = _unit(length)
    rows = len(timeline.labels)
    extent = (0, length / unit, rows - 0.5, -0.5)
    axes.imshow(picture, aspect="auto", interpolation="nearest", extent=extent)
    axes.set_xlabel(f"{name} since {datetime.fromtimestamp(timeline.begin):%Y-%m-%d %H:%M:%S}")  # noqa: DTZ006 - the user's time
    if rows <= _MOST_LABELS:
        axes.set_yticks(range(rows), timeline.labels, parse_math=False)
        axes.set_ylabel("job")
    else:
        axes.set_yticks([])
        per_row = f", {timeline.jobs_per_row} in a row" if timeline.jobs_per_row > 1 else ""
        axes.set_ylabel(f"jobs in the order of submission{per_row}")
    _legend(axes, _present(timeline))


def _concurrency(figure: Figure, timeline: Timeline) -> None:
    jobs, calls = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    length = timeline.end - timeline.begin
    unit, name = _unit(length)
    columns = len(timeline.calls)
    edges = [length / unit * number / columns for number in range(columns + 1)]
    states, concurrency = _present(timeline), timeline.concurrency
    # Jobs that have a slot are at the bottom: their height is what the pool gave.
    order = [state for state in ("running", "idle while warm", "transfer", "held", "queued") if state in states]
    bottom = [0.0] * columns
    for state in order:
        top = [low + more for low, more in zip(bottom, concurrency[state], strict=True)]
        jobs.stairs(top, edges, baseline=bottom, fill=True, color=COLOURS[state], linewidth=0)
        bottom = top
    jobs.stairs(timeline.calls, edges, color="black", linewidth=1, label="calls running", baseline=None)
    jobs.set_ylabel("jobs")
    jobs.set_ylim(bottom=0)
    for axes in (jobs, calls):
        _count_in_whole_numbers(axes)
    _legend(jobs, {**{state: COLOURS[state] for state in order}, "calls running (line)": "black"})
    for values, colour, label in (
        (timeline.succeeded, _SUCCEEDED, "succeeded"),
        (timeline.failed, _FAILED, "failed"),
    ):
        calls.stairs(values, edges, color=colour, linewidth=1.5, label=label, baseline=None)
    calls.set_ylim(bottom=0)
    calls.set_xlim(0, length / unit)
    calls.set_ylabel("calls ended")
    calls.set_xlabel(f"{name} since {datetime.fromtimestamp(timeline.begin):%Y-%m-%d %H:%M:%S}")  # noqa: DTZ006
    calls.legend(frameon=False, loc="upper left")


def _bars(axes: Axes, histogram: Histogram, unit: float, colours: Mapping[str, str]) -> None:
    edges = [edge / unit for edge in histogram.edges]
    shown = {name: colour for name, colour in colours.items() if any(histogram.counts[name])}
    bottom: Sequence[float] = [0.0] * (len(edges) - 1)
    for name, colour in shown.items():
        top = [low + count for low, count in zip(bottom, histogram.counts[name], strict=True)]
        axes.stairs(top, edges, baseline=bottom, fill=True, color=colour, linewidth=0)
        bottom = top
    _count_in_whole_numbers(axes)
    if histogram.logarithmic:
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    _legend(axes, shown)


def _run_times(figure: Figure, histogram: Histogram) -> None:
    axes = figure.subplots()
    unit, name = _unit(histogram.edges[-1])
    _bars(axes, histogram, unit, {"succeeded": _SUCCEEDED, "failed": _FAILED})
    axes.set_xlabel(f"run time of a call in {name}")
    axes.set_ylabel("calls")


def _graph(figure: Figure, graph: Graph) -> None:
    axes = figure.subplots()
    axes.axis("off")
    levels: dict[int, list[int]] = {}
    for number, step in enumerate(graph.steps):
        levels.setdefault(step.level, []).append(number)
    places = {number: ((at + 0.5) / len(row), -level) for level, row in levels.items() for at, number in enumerate(row)}
    most = max(graph.edges.values(), default=1)
    for (start, end), count in graph.edges.items():
        arrow = {"arrowstyle": "-|>", "color": "#888888", "linewidth": 0.6 + 2.4 * count / most}
        # An arrow over several levels bends round the boxes between.
        bend = 0.0 if graph.steps[end].level - graph.steps[start].level == 1 else 0.6
        arrow |= {"shrinkA": 11, "shrinkB": 11, "connectionstyle": f"arc3,rad={bend}"}
        axes.annotate("", places[end], places[start], arrowprops=arrow)
    for number, step in enumerate(graph.steps):
        colour = _FAILED if step.failed else _SUCCEEDED if step.ended == step.calls else COLOURS["queued"]
        name = step.function if len(step.function) <= _LONGEST_NAME else f"{step.function[:_LONGEST_NAME]}..."
        text = f"{name} \N{MULTIPLICATION SIGN}{step.calls:,}" if step.calls > 1 else name
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": colour, "linewidth": 1.5}
        axes.text(*places[number], text, ha="center", va="center", bbox=box, parse_math=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(-max(levels) - 0.5, 0.5)
    kinds = {"succeeded": _SUCCEEDED, "some failed": _FAILED, "not ended": COLOURS["queued"]}
    shown = {"succeeded"} if all(step.ended == step.calls and not step.failed for step in graph.steps) else set(kinds)
    _legend(axes, {name: colour for name, colour in kinds.items() if name in shown})


def _memory(figure: Figure, histogram: Histogram, requests: Mapping[int, int], suggestion: int | None) -> None:
    series = {
        name: colour for name, colour in (("jobs", _SUCCEEDED), ("calls", "#f2c14e")) if any(histogram.counts[name])
    }
    panels = figure.subplots(1, len(series), squeeze=False)[0]
    for axes, (name, colour) in zip(panels, series.items(), strict=True):
        _bars(axes, histogram, 1 << 20, {name: colour})
        for request in requests:
            axes.axvline(request / (1 << 20), color=_REQUEST, linewidth=1.2)
        if suggestion is not None:
            axes.axvline(suggestion / (1 << 20), color=_FAILED, linewidth=1.2, linestyle="--")
        lines = {"requested": _REQUEST} if requests else {}
        if suggestion is not None:
            lines["suggestion (dashed)"] = _FAILED
        _legend(axes, {name: colour, **lines})
        axes.set_xlabel(f"largest memory of {'a job' if name == 'jobs' else 'the process of a call'} in MiB")
        axes.set_ylabel(name)
