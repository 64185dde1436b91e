"""The screen: a table of the jobs, the details and the live output of the selected one, and keys to act on it."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final, Protocol

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.coordinate import Coordinate
from textual.events import Resize
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from condor_futures.access_point.job_info import JobInfo
from condor_futures.errors import CondorFuturesError
from condor_futures.status_screen.collector import Snapshot
from condor_futures.status_screen.job_files import JobCalls
from condor_futures.status_screen.rows import COLUMNS, Row, details, heading, make_rows, printable, widths
from condor_futures.status_screen.source import Action

__all__ = ["StatusScreen"]

#: Seconds between two questions to the access point, and between two looks at the output of the selected call.
REFRESH: Final = 2.0
OUTPUT: Final = 0.5
_STYLES: Final = {"idle": "yellow", "running": "cyan", "held": "red", "completed": "green", "removed": "red"}
_KINDS: Final = {"session": "bold", "call": "dim", "more": "dim"}
_EFFECTS: Final = {
    Action.HOLD: "Unless on_hold says something else, its executor then removes the job, and the call fails.",
    Action.REMOVE: "The calls of a removed job fail. Of a warm job, only the call that it makes now fails.",
}


class Shown(Protocol):
    """What the screen shows: a :class:`~condor_futures.status_screen.source.Source`."""

    def collect(self) -> Snapshot: ...

    def act(self, action: Action, jobs: Sequence[str]) -> int: ...

    def why(self, job: JobInfo) -> str: ...

    def show(self, job: JobInfo, columns: int) -> str: ...

    def output(self, path: Path, start: int) -> str: ...


class _Done(Message):
    """A thread has finished something: *take* is called with it in the screen's thread."""

    def __init__(self, take: Callable[[], None]) -> None:
        super().__init__()
        self.take = take


class _Question(ModalScreen[bool]):
    """Asks whether to do something."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "dismiss(True)", "Yes"),
        ("n,escape,q", "dismiss(False)", "No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        yield Static(Text(f"{self._question}\n\ny: yes   n: no"), id="question")


class _Text(ModalScreen[None]):
    """Shows a text that may be longer than the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,s", "dismiss(None)", "Back")]

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._heading = title
        self._text = text

    def compose(self) -> ComposeResult:
        scroll = VerticalScroll(Static(self._text), id="text")
        scroll.border_title = f"{self._heading} (Esc: back)"
        yield scroll


class _Table(DataTable[Text]):
    """The table; the keys Home and End select its first and last row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home", "scroll_top", show=False),
        Binding("end", "scroll_bottom", show=False),
    ]


class StatusScreen(App[None]):
    """The application."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #heading { width: 100%; height: 1; text-style: reverse; text-wrap: nowrap; text-overflow: ellipsis; }
    #table { height: 1fr; min-height: 5; scrollbar-size-vertical: 1; overflow-x: hidden; }
    #details { height: auto; max-height: 6; border-top: solid $accent; }
    #output { height: 30%; min-height: 4; border-top: solid $accent; scrollbar-size-vertical: 1; }
    #output { border-title-color: $text; }
    _Question, _Text { align: center middle; }
    #question { width: 72; height: auto; border: solid $error; padding: 1 2; background: $surface; }
    #text { width: 100%; height: 100%; border: solid $secondary; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("h", "act('HOLD')", "Hold"),
        ("r", "act('RELEASE')", "Release"),
        ("x", "act('REMOVE')", "Remove"),
        ("s", "show", "Show"),
        ("c", "calls", "Calls"),
        ("o", "output", "Stderr"),
        ("w", "why", "Why idle"),
        ("q", "quit", "Quit"),
    ]

    def __init__(self, source: Shown) -> None:
        """Show what *source* has."""
        super().__init__()
        self._source = source
        self._snapshot: Snapshot | None = None
        self._rows: list[Row] = []
        self._expanded: set[str] = set()
        self._why: dict[str, str] = {}
        self._stream = "stdout"
        self._reading = False
        self._wake = threading.Event()
        self._ended = False
        # They are not looked up: when the screen is closed, threads and timers may come after the widgets are gone.
        self._heading = Static(Text("asking the access point ..."), id="heading")
        self._table = _Table(id="table", cursor_type="row", cell_padding=1)
        self._details = Static(id="details")
        self._lines = Static(id="lines")
        self._output = VerticalScroll(self._lines, id="output")

    # The parts of the screen.

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        yield self._heading
        yield self._table
        yield self._details
        yield self._output
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask the access point."""
        self._table.focus()
        self.set_interval(OUTPUT, self._read_output)
        threading.Thread(target=self._collect, name="condor_futures snapshots", daemon=True).start()

    def on_unmount(self) -> None:
        """Ask no more."""
        self._ended = True
        self._wake.set()

    def on_resize(self, event: Resize) -> None:
        """Make columns of other widths."""
        self._make_columns(event.size.width)

    def _make_columns(self, width: int) -> None:
        number = self._table.cursor_row
        self._table.clear(columns=True)
        for name, wide in zip(COLUMNS, widths(width), strict=True):
            self._table.add_column(name, width=wide, key=name)
        for row in self._rows:
            self._table.add_row(*_texts(row), key=row.key)
        self._table.move_cursor(row=number)

    # What threads do, so that the screen never waits.

    def _collect(self) -> None:
        while not self._ended:
            self._wake.clear()
            try:
                snapshot = self._source.collect()
            except CondorFuturesError as error:
                self._post(functools.partial(self._unreachable, error))
            else:
                self._post(functools.partial(self._take, snapshot))
            self._wake.wait(REFRESH)

    def _background(self, work: Callable[[], Callable[[], None]]) -> None:
        """Have a thread do *work*, and then what it returns done in the screen's thread.

        Not in a thread of textual's or asyncio's: the program could not end before it.
        """

        def run() -> None:
            try:
                take = work()
            except (CondorFuturesError, OSError) as error:
                text = str(error)
                self._post(lambda: self.notify(text, severity="error", markup=False))
            else:
                self._post(take)

        threading.Thread(target=run, name="condor_futures screen", daemon=True).start()

    def _post(self, take: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the screen has just been closed
            self.post_message(_Done(take))

    def on__done(self, message: _Done) -> None:
        """Take in what a thread has done."""
        message.take()

    def _unreachable(self, error: Exception) -> None:
        self._heading.update(Text(f"{error} (trying again)", "red", no_wrap=True))

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._heading.update(Text(f"{heading(snapshot)}   {snapshot.time:%H:%M:%S}", no_wrap=True))
        self._show_rows()

    # The table.

    def _show_rows(self) -> None:
        if self._snapshot is not None:
            before, self._rows = self._rows, make_rows(self._snapshot, self._expanded)
            self._fill(self._rows, before)
            self._show_details()

    def _fill(self, rows: Sequence[Row], before: Sequence[Row]) -> None:
        """Show *rows*, and keep the cursor on its row; *before* are the rows that the table has."""
        table = self._table
        if [row.key for row in rows] == [row.key for row in before]:
            for number, (row, old) in enumerate(zip(rows, before, strict=True)):
                if row.cells != old.cells or row.state != old.state:
                    for column, text in enumerate(_texts(row)):
                        table.update_cell_at(Coordinate(number, column), text)
            return
        selected = before[table.cursor_row].key if table.cursor_row < len(before) else ""
        offset, cursor = table.scroll_y, table.cursor_row
        table.clear()
        for row in rows:
            table.add_row(*_texts(row), key=row.key)
        numbers = {row.key: number for number, row in enumerate(rows)}
        table.move_cursor(row=numbers.get(selected, min(cursor, max(len(rows) - 1, 0))), scroll=False)
        table.scroll_to(y=offset, animate=False)

    @property
    def _selected(self) -> Row | None:
        number = self._table.cursor_row
        return self._rows[number] if number < len(self._rows) else None

    def on_data_table_row_highlighted(self) -> None:
        """Show the details of another row."""
        self._show_details()

    def _show_details(self) -> None:
        row, snapshot = self._selected, self._snapshot
        if row is None or snapshot is None:
            self._details.update("")
            return
        lines = details(row, snapshot, self._why)
        text = Text("\n").join(Text(line, "red" if line.startswith("held: ") else "") for line in lines)
        self._details.update(text)
        self._read_output()

    # The output of the selected call.

    def _calls(self, row: Row) -> JobCalls:
        calls = self._snapshot.calls.get(row.jobs[0].job_id) if self._snapshot is not None and row.jobs else None
        return calls if calls is not None and row.kind in ("job", "call") else JobCalls()

    def _read_output(self) -> None:
        row = self._selected
        if row is None or self._reading:
            return
        calls = self._calls(row)
        runs = calls.waiting[0].key if calls.waiting and row.jobs[0].state == "running" else ""
        if runs and calls.output and row.call in ("", runs):
            self._reading = True
            stream, (path, start) = self._stream, calls.output[self._stream]

            def read() -> Callable[[], None]:
                text = self._source.output(path, start)
                return lambda: self._show_output(f"{stream} of {runs}", text)

            self._background(read)
        elif row.kind == "job" and row.jobs[0].state == "running" and not calls.live:
            self._show_output(self._stream, "comes when the job has ended: the job is neither warm nor streams")
        else:
            self._show_output(self._stream, "")

    def _show_output(self, title: str, text: str) -> None:
        self._reading = False
        at_end = self._output.is_vertical_scroll_end
        self._output.border_title = title
        self._lines.update(Text(printable(text)))
        if at_end:
            self._output.scroll_end(animate=False)

    # The keys.

    def action_output(self) -> None:
        """Show the other stream."""
        self._stream = "stderr" if self._stream == "stdout" else "stdout"
        self._read_output()

    def action_calls(self) -> None:
        """List the calls of the selected job below it, or list them no longer."""
        row = self._selected
        if row is not None and row.kind in ("job", "call"):
            self._expanded ^= {f"job:{row.jobs[0].job_id}"}
            self._show_rows()

    def action_why(self) -> None:
        """Find out why the selected job is idle."""
        row = self._selected
        if row is None or row.kind not in ("job", "jobs") or row.state != "idle":
            self.notify("Select a job that is idle.")
            return
        job = row.jobs[0]

        def ask() -> Callable[[], None]:
            why = self._source.why(job)
            return lambda: self._explain(job.job_id, why)

        self._why[job.job_id] = "being analysed ..."
        self._show_details()
        self._background(ask)

    def _explain(self, job_id: str, why: str) -> None:
        self._why[job_id] = why
        self._show_details()

    def action_show(self) -> None:
        """Show the calls and outcomes of the selected job."""
        row = self._selected
        if row is None or row.kind not in ("job", "call"):
            self.notify("Select a job.")
            return
        job, columns = row.jobs[0], self.size.width - 3

        def run() -> Callable[[], None]:
            text = Text.from_ansi(self._source.show(job, columns))
            return lambda: self._open_text(f"condor-futures show {job.job_id}", text)

        self._background(run)

    def _open_text(self, title: str, text: Text) -> None:
        self.push_screen(_Text(title, text))

    def action_act(self, name: str) -> None:
        """Hold, release or remove the jobs of the selected row, after a question if calls would fail."""
        row, action = self._selected, Action[name]
        if row is None or row.kind == "call":
            self.notify("Select a job, some jobs or a session.")
            return
        jobs = [job.job_id for job in row.jobs]
        what = f"the job {jobs[0]}" if len(jobs) == 1 else f"{len(jobs)} jobs"

        def act(sure: bool | None) -> None:
            if sure:
                self._background(lambda: self._act(action, jobs))

        if action in _EFFECTS:
            self.push_screen(_Question(f"{action.name.capitalize()} {what}? {_EFFECTS[action]}"), act)
        else:
            act(sure=True)

    def _act(self, action: Action, jobs: Sequence[str]) -> Callable[[], None]:
        number = self._source.act(action, jobs)
        self._wake.set()
        return lambda: self.notify(f"{number} of {len(jobs)} jobs {action.value}.")


def _texts(row: Row) -> list[Text]:
    kind = _KINDS.get(row.kind, "")
    texts = [Text(cell, kind, no_wrap=True, overflow="ellipsis") for cell in row.cells]
    if row.state:
        texts[1].stylize(_STYLES.get(row.state, ""))
    for number in (4, 5):
        texts[number].justify = "right"
    return texts
