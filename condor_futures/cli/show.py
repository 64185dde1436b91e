"""``condor-futures show``: the calls and outcomes of a job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.pretty import pretty_repr
from rich.table import Table
from rich.text import Text

from condor_futures.cli.output import console, print_json
from condor_futures.inspection import InspectedCall, InspectedOutcome, Inspection, Placeholder, find_job, inspect_file

__all__ = ["show"]

_CALLS, _LINES, _ITEMS, _CHARACTERS = 20, 12, 10, 200  # the limits of the output without --full


def show(
    what: Annotated[str, typer.Argument(metavar="FILE|JOB", help="BUNDLE.calls, BUNDLE.outcomes, or CLUSTER.PROC.")],
    session: Annotated[Path | None, typer.Option(help="The session of the job.", show_default="all sessions")] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Also unpickle data that is not authentic; such data can run any code as you."),
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Print all calls, and values in full length.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with values in Python's notation.")] = False,
) -> None:
    """Print the calls of a job and their outcomes: functions, arguments, values, tracebacks.

    The exit status is 4 if some data is not authentic and was not unpickled.
    """
    path = Path(what)
    paths = [path] if session is None and path.exists() else find_job(what, session)
    inspections = [inspect_file(path, trust=trust) for path in paths]
    if as_json:
        print_json(map(_as_json, inspections))
    else:
        for inspection in inspections:
            console.print(_render(inspection, full))
    if not trust and any(inspection.distrust for inspection in inspections):
        raise typer.Exit(4)


def _render(inspection: Inspection, full: bool) -> RenderableType:
    heading = Table.grid(padding=(0, 2))
    for name, value in (
        ("file", str(inspection.path)),
        ("session", inspection.session),
        ("bundle", inspection.bundle),
        ("Python", inspection.python),
    ):
        if value is not None:
            heading.add_row(Text(name, "dim"), _text(value))
    parts: list[RenderableType] = [heading]
    if inspection.distrust is not None:
        parts.append(_text(f"Not unpickled without --trust: {inspection.distrust}", "red"))
    table = Table(show_header=False, box=None, padding=(0, 1))
    entries: list[InspectedCall | InspectedOutcome] = [*inspection.calls, *inspection.outcomes]
    shown = entries if full else entries[:_CALLS]
    for entry in shown:
        key = entry.key if entry.name is None else f"{entry.key} {entry.name}"
        table.add_row(_text(key, "bold"), _entry(entry, inspection, full))
    if len(shown) < len(entries):
        table.add_row("", Text(f"... and {len(entries) - len(shown)} more (--full)", "dim"))
    return Panel(Group(*parts, Text(), table), expand=False)


def _entry(entry: InspectedCall | InspectedOutcome, inspection: Inspection, full: bool) -> RenderableType:
    if isinstance(entry, InspectedCall):
        return _text(_call(entry, full))
    where = f" on {entry.host}" if entry.host else ""
    given = " (passed to the calls above)" if inspection.calls else ""
    said = _text(f"{entry.result}{where}{given}", "green" if entry.result == "value" else "red")
    if entry.traceback:
        return Group(said, _text(_cut(entry.traceback.rstrip(), full, end=True)))
    if entry.result in ("crashed", "python", "dependency", "shared"):
        names = ("signal", "exit_status", "stage", "here", "wanted", "parent", "object", "reason")
        facts = {name: entry.header.get(name) for name in names}
        return Group(said, _text(", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)))
    return Group(said, _text(_shorten(entry.value, full)))


def _call(call: InspectedCall, full: bool) -> str:
    """Return the call in Python's notation."""
    name = _name(call.function, full)
    if isinstance(call.args, Placeholder) or not isinstance(call.args, Sequence):
        return f"{name}({call.args!r})  {call.size} bytes"
    arguments = [_shorten(value, full) for value in call.args]
    arguments += [f"{name}={_shorten(value, full)}" for name, value in call.kwargs.items()]
    if any("\n" in argument for argument in arguments):
        return (
            f"{name}(\n"
            + "".join(f"    {argument.replace(chr(10), chr(10) + '    ')},\n" for argument in arguments)
            + ")"
        )
    return f"{name}({', '.join(arguments)})"


def _name(function: Any, full: bool) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str):
        return name if module == "builtins" else f"{module}.{name}"
    return _shorten(function, full)


def _shorten(value: Any, full: bool) -> str:
    items, characters = (None, None) if full else (_ITEMS, _CHARACTERS)
    return _cut(pretty_repr(value, max_width=100, max_length=items, max_string=characters), full)


def _cut(text: str, full: bool, *, end: bool = False) -> str:
    """Return the first lines of *text*, or with *end* the last ones, which matter in a traceback."""
    lines = text.splitlines()
    if full or len(lines) <= _LINES:
        return text if full or len(text) <= _LINES * _CHARACTERS else text[: _LINES * _CHARACTERS] + " ..."
    note = f"... {len(lines) - _LINES} more lines (--full)"
    return "\n".join([note, *lines[-_LINES:]] if end else [*lines[:_LINES], note])


def _text(text: str, style: str = "") -> Text:
    """Return *text* with control characters escaped, because the author of the file may have put them there."""
    printable = "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
    return Text(printable, style, overflow="fold")


def _as_json(inspection: Inspection) -> dict[str, Any]:
    return {
        "path": str(inspection.path),
        "session": inspection.session,
        "bundle": inspection.bundle,
        "python": inspection.python,
        "distrust": inspection.distrust,
        "calls": [
            {
                "call": call.key,
                "name": call.name,
                "function": _name(call.function, full=True),
                "args": _texts(call.args),
                "kwargs": {name: _shorten(value, full=True) for name, value in call.kwargs.items()},
                "authentic": call.authentic,
            }
            for call in inspection.calls
        ],
        "outcomes": [
            {
                "call": outcome.key,
                "name": outcome.name,
                "result": outcome.result,
                "value": _shorten(outcome.value, full=True),
                "traceback": outcome.traceback or None,
                "host": outcome.host or None,
                "authentic": outcome.authentic,
            }
            for outcome in inspection.outcomes
        ],
    }


def _texts(args: Sequence[Any] | Placeholder) -> list[str] | str:
    return repr(args) if isinstance(args, Placeholder) else [_shorten(value, full=True) for value in args]
