"""Draw what the pages include from the code itself: states and their diagram, submit commands, bad input, optional API.

``conf.py`` calls :func:`main` at each build; the files in ``_generated/`` are not kept in git.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from html import escape
from pathlib import Path

from condor_futures.state_machine import states
from condor_futures.state_machine.hold_codes import SPOOLING_INPUT
from condor_futures.state_machine.states import State
from condor_futures.state_machine.transitions import TABLE, advance
from condor_futures.submit import commands

#: Every distinction that the table makes: job -> how it is called where it matters, and event -> the same.
_JOBS = {"spooled": True, "not spooled": False}
_HOLD = states.Held("1.0", 1)
_EVENTS: dict[type[states.Event], dict[str, states.Event]] = {
    states.Held: {"": _HOLD, "spooling input": states.Held("1.0", SPOOLING_INPUT)},
    states.Released: {"": states.Released("1.0")},
    states.NotReleased: {"": states.NotReleased("1.0", 1)},
    states.Decided: {action: states.Decided("1.0", 1, action) for action in ("fail", "release", "wait")},
    states.Attached: {
        f"on_hold: {a}": states.Attached("1.0", states.HoldPolicy(a)) for a in ("fail", "release", "wait")
    },
}
_SHADOWS = {"": 0, "at the limit": states.Job.FALSE_STARTS_LIMIT}
_POLICIES: dict[str, states.HoldPolicy] = {
    f"on_hold: {action}": states.HoldPolicy(action) for action in ("fail", "release", "wait", "ask")
}

Transition = tuple[State, str, State, tuple[str, ...]]  # from, event with its condition, to, effects


def _outcomes(state: State, kind: type[states.Event]) -> Iterator[tuple[str, State, tuple[str, ...]]]:
    """What *kind* of event does in *state*: (condition, next state, effects), one for each that differs."""
    seen: dict[tuple[State, tuple[str, ...]], list[dict[str, str]]] = {}
    events = _EVENTS[kind] if kind in _EVENTS else {"": kind("1.0")}
    shadows = _SHADOWS if kind is states.ShadowException else {"": 0}
    policies = _POLICIES if kind is states.Held else {"": states.HoldPolicy()}
    for (how, spooled), (which, event), (often, count), (asked_for, policy) in itertools.product(
        _JOBS.items(), events.items(), shadows.items(), policies.items()
    ):
        job_id = None if state is State.PENDING else "1.0"
        if state is State.DISCARDED and kind is states.Submitted:
            job_id = None  # it was discarded before it had an id
        job = states.Job("b000001", spooled, state, job_id, false_starts=count, policy=policy)
        if state is State.HELD:
            job = replace(job, holds=1, hold=_HOLD)
        after, effects = advance(job, event)
        key = after.state, tuple(type(effect).__name__ for effect in effects)
        seen.setdefault(key, []).append(
            {"how": how, "which": which, "often": often, "asked_for": "" if which else asked_for}
        )
    cases = list(itertools.chain.from_iterable(seen.values()))
    for (after_state, names), own in seen.items():
        # A condition is worth saying where it tells this outcome from the others.
        said = []
        for part in ("how", "which", "often", "asked_for"):
            values = {case[part] for case in own}
            others = {case[part] for case in cases if case not in own}
            said += [value for value in values if value and len(values) == 1 and value not in others and others]
        yield ", ".join(said), after_state, names


def transitions() -> list[Transition]:
    """Every transition of the table that changes the state or has an effect."""
    found: list[Transition] = []
    for state, entries in TABLE.items():
        for kind in entries:
            for condition, after, effects in _outcomes(state, kind):
                if after is not state or effects:
                    name = kind.__name__ + (f" ({condition})" if condition else "")
                    found.append((state, name, after, effects))
    return found


def table(found: Iterable[Transition]) -> str:
    """The transitions as a Markdown table."""
    rows = ["| State | Event | Next state | Effects |", "|---|---|---|---|"]
    for state, event, after, effects in found:
        rows.append(f"| {state.value} | {event} | {after.value} | {', '.join(effects) or 'none'} |")
    return "\n".join(rows) + "\n"


def absorbed() -> str:
    """The events that change nothing, state by state."""
    rows = ["| State | Events without consequence |", "|---|---|"]
    for state, entries in TABLE.items():
        names = [
            kind.__name__ + (f" ({condition})" if condition else "")
            for kind in entries
            for condition, after, effects in _outcomes(state, kind)
            if after is state and not effects
        ]
        rows.append(f"| {state.value} | {', '.join(names) or 'none'} |")
    return "\n".join(rows) + "\n"


def diagram(found: Iterable[Transition]) -> str:
    """The transitions as an SVG: a column for each state, a row with an arrow for each pair of states.

    Columns and rows, unlike nodes and edges, cannot get in each other's way, however the table changes.
    """
    column = {state: 70 + 140 * number for number, state in enumerate(State)}
    arrows: dict[tuple[State, State], list[str]] = {}
    for state, event, after, _ in found:
        if state is not after:
            arrows.setdefault((state, after), []).append(event)
    parts: list[str] = []
    y = 60
    for (state, after), events in arrows.items():
        start, end = column[state], column[after]
        lines = [escape(event) for event in events]
        y += 15 * len(lines) + 16
        middle = (start + end) / 2
        for number, line in enumerate(lines):
            height = y - 6 - 14 * (len(lines) - 1 - number)
            parts.append(f'<text class="event" x="{middle}" y="{height}">{line}</text>')
        direction = 1 if end > start else -1
        parts.append(f'<circle cx="{start}" cy="{y}" r="3"/>')
        parts.append(f'<path d="M{start} {y} H{end - 8 * direction}" class="line"/>')
        parts.append(f'<path d="M{end} {y} l{-9 * direction} -4 v8 z"/>')
    height = y + 20
    heads = [
        f'<path d="M{x} 36 V{height}" class="life"/><rect x="{x - 52}" y="8" width="104" height="28" rx="6"/>'
        f'<text class="state" x="{x}" y="27">{state.value}</text>'
        for state, x in column.items()
    ]
    width = 140 * len(column)
    style = (
        ".states{color:var(--color-foreground-primary,#222);font:13px sans-serif;width:100%;height:auto}"
        ".states text{text-anchor:middle;fill:currentColor}.states .state{font-weight:bold}"
        ".states .event{font-size:12px;paint-order:stroke;stroke-width:4px;"
        "stroke:var(--color-background-primary,#fff)}.states rect{fill:none;stroke:currentColor}"
        ".states .line{stroke:currentColor;stroke-width:1.5;fill:none}"
        ".states .life{stroke:currentColor;opacity:.3;stroke-dasharray:3 4}"
        ".states path,.states circle{fill:currentColor}"
    )
    title = "<title>The states of a job and the events that lead from one to another</title>"
    return (
        f'<svg class="states" role="img" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">'
        f"{title}<style>{style}</style>{''.join(heads)}{''.join(parts)}</svg>\n"
    )


def owned_commands() -> str:
    """The submit commands that the executor keeps for itself, with the reason."""
    rows = ["| Submit command | Why it is refused, and what to do instead |", "|---|---|"]
    rows += [f"| `{name}` | {reason.replace('|', chr(92) + '|')} |" for name, reason in commands.OWNED.items()]
    return "\n".join(rows) + "\n"


def accepted_commands() -> str:
    """The submit commands that are keywords of the executor, by first letter."""
    names = sorted(commands.COMMANDS - commands.OWNED.keys())
    lines = []
    for letter, group in itertools.groupby(names, key=lambda name: name[0]):
        lines.append(f"{letter.upper()}\n: {', '.join(f'`{name}`' for name in group)}\n")
    return "\n".join(lines)


def optional_api() -> str:
    """API pages of the parts that need not be there."""
    parts = {"condor_futures.progress": ["autofunction:: progress"], "condor_futures.personal": []}
    if importlib.util.find_spec("condor_futures.personal") is not None:
        import condor_futures.personal

        for name in condor_futures.personal.__all__:
            thing = getattr(condor_futures.personal, name)
            kind = "autofunction" if hasattr(thing, "__code__") else "autodata"
            kind = "autoclass" if isinstance(thing, type) else kind
            options = "\n   :members:" if kind == "autoclass" else ""
            parts["condor_futures.personal"].append(f"{kind}:: {name}{options}")
    text = ""
    for module, directives in parts.items():
        if importlib.util.find_spec(module) is not None:
            body = "\n\n".join(f".. {directive}" for directive in directives)
            text += f"## `{module}`\n\n```{{eval-rst}}\n.. currentmodule:: {module}\n\n{body}\n```\n\n"
    return text or "\n"


def bad_input() -> str:
    """What bad input gives: the table that a test goes through, with the sentences that it found."""
    path = Path(__file__).parent.parent / "tests/bad_input.py"
    spec = importlib.util.spec_from_file_location("bad_input", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.page())


def main(directory: Path) -> None:
    """Write all of it into *directory*."""
    directory.mkdir(exist_ok=True)
    found = transitions()
    for name, text in {
        "states.svg": diagram(found),
        "transitions.md": table(found),
        "absorbed.md": absorbed(),
        "owned.md": owned_commands(),
        "accepted.md": accepted_commands(),
        "optional_api.md": optional_api(),
        "bad_input.md": bad_input(),
    }.items():
        path = directory / name
        # An unchanged file keeps its time, and so does not have its pages built anew.
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
