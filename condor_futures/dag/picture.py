"""Pictures of a DAG, drawn by Graphviz, or by networkx and matplotlib."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

from condor_futures.dag.graph import Graph, Node

__all__ = ["dot", "draw"]

LARGEST = 60.0
"""The largest size, in inches, of a picture by matplotlib that image viewers can show; nodes may overlap in it."""

#: The colours of the states, the worst state first. A node has the colour of the worst state of its calls.
COLOURS = {
    "failed": "#f4a3a3",
    "cancelled": "#d9d9d9",
    "held": "#e3c1ee",
    "running": "#f7dc8b",
    "idle": "#bcd7f0",
    "completed": "#d4ecc0",
    "pending": "#ffffff",
    "done": "#a9d99a",
}


def _state(graph: Graph, node: Node) -> str:
    states = {graph.futures[call].state for call in node.calls}
    return next(state for state in COLOURS if state in states)


def _label(node: Node) -> str:
    return node.label if len(node.calls) == 1 else f"{node.label} ×{len(node.calls)}"  # noqa: RUF001 - a times sign


def dot(graph: Graph) -> str:
    """Return the graph in the language of Graphviz."""

    def quote(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    lines = [f"digraph {quote(graph.name)} {{", '  node [shape=box, style="rounded,filled", fontname="Helvetica"];']
    for node in graph.nodes:
        state = _state(graph, node)
        lines.append(
            f"  {node.key} [label={quote(_label(node))}, fillcolor={quote(COLOURS[state])}, "
            f"tooltip={quote(f'{node.key}: {state}')}];"
        )
    lines += [f"  {parent.key} -> {node.key};" for node in graph.nodes for parent in node.parents]
    return "\n".join([*lines, "}", ""])


def draw(graph: Graph, path: Path) -> Path:
    """Draw the graph to the file *path*, and return *path*."""
    program = shutil.which("dot")
    kind = path.suffix.removeprefix(".") or "svg"
    if program is not None:
        done = subprocess.run(
            [program, f"-T{kind}", "-o", str(path)], input=dot(graph), text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise ValueError(f"Graphviz cannot draw {str(path)!r}: {done.stderr.strip()}")
    else:
        _draw_by_matplotlib(graph, path, kind)
    return path


def _draw_by_matplotlib(graph: Graph, path: Path, kind: str) -> None:
    try:
        import networkx as nx
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "drawing a DAG needs Graphviz, or networkx and matplotlib; condor-futures[draw] installs the latter two"
        ) from error
    drawn = nx.DiGraph()
    for node in graph.nodes:
        drawn.add_node(node.key, depth=node.depth)
    drawn.add_edges_from((parent.key, node.key) for node in graph.nodes for parent in node.parents)
    broadest = max(Counter(node.depth for node in graph.nodes).values(), default=1)
    deepest = max((node.depth for node in graph.nodes), default=0) + 1
    figure = Figure(figsize=(min(max(4.0, 1.5 * broadest), LARGEST), min(max(3.0, 1.2 * deepest), LARGEST)))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.margins(0.15)
    if graph.nodes:
        places = nx.multipartite_layout(drawn, subset_key="depth", align="horizontal")
        top_down = {key: (x, -y) for key, (x, y) in places.items()}
        nx.draw_networkx_edges(drawn, top_down, ax=axes, node_size=1600, edge_color="#808080")
        for node in graph.nodes:
            box = {"boxstyle": "round", "facecolor": COLOURS[_state(graph, node)], "edgecolor": "#404040"}
            # matplotlib would read $1 and $2 of a shell command as mathematics.
            label = axes.text(*top_down[node.key], _label(node), ha="center", va="center", fontsize=9, bbox=box)
            label.set_parse_math(False)
    figure.savefig(path, format=kind, bbox_inches="tight")
