"""The screen, driven by keys in a terminal of 80 columns and 24 lines."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from condor_futures.errors import AccessPointError
from condor_futures.future import Progress
from condor_futures.status_screen import screen as module
from condor_futures.status_screen.collector import Snapshot
from condor_futures.status_screen.job_files import Call, JobCalls
from condor_futures.status_screen.screen import StatusScreen
from condor_futures.status_screen.source import Action

NOW = datetime(2026, 11, 21, 8, 45, tzinfo=timezone.utc)
SESSION = "20261121-084209-d88b1a6b"


class Source:
    """Has what the test says, and notes what it is asked to do."""

    def __init__(self, snapshot, directory):
        self.snapshot = snapshot
        self.directory = directory
        self.error = None
        self.done = []
        self.lock = threading.Lock()

    def collect(self):
        if self.error is not None:
            raise self.error
        return self.snapshot

    def act(self, action, jobs):
        self.done.append((action, list(jobs)))
        if self.error is not None:
            raise self.error
        return len(jobs)

    def why(self, job):
        return f"{job.job_id} has to wait"

    def show(self, job, columns):
        return f"\x1b[1mcalls of {job.job_id}\x1b[0m in {columns} columns\n" + "line\n" * 50 + "the end"

    def output(self, path, start):
        return f"{path.name} from {start}\n\x1b[31mstep 1"


@pytest.fixture
def source(job, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REFRESH", 0.2)
    monkeypatch.setattr(module, "OUTPUT", 0.2)
    output = {"stdout": (tmp_path / "0.stdout", 7), "stderr": (tmp_path / "0.stderr", 0)}
    calls = JobCalls([Call("c2", "fit"), Call("c3", "fit")], 2, 1, True, Progress(0.5, "half"), output)
    jobs = [job("7.0", warm=True), job("8.0", "idle"), job("9.0", "idle"), job("9.1", "idle")]
    return Source(Snapshot("ap1", NOW, jobs, {"7.0": calls}), tmp_path)


def drive(source, scenario, size=(80, 24)):
    """Run *scenario*, which presses keys, until it ends."""

    async def run():
        app = StatusScreen(source)
        async with app.run_test(size=size) as pilot:
            await scenario(app, pilot)

    asyncio.run(asyncio.wait_for(run(), 100))


async def until(pilot, condition):
    while not condition():  # noqa: ASYNC110 - what it waits for is no event
        await asyncio.sleep(0.01)


def table(app):
    """Return the rows of the table as texts."""
    shown = app._table
    return [[str(cell) for cell in shown.get_row_at(number)] for number in range(shown.row_count)]


def text(app, name):
    return str(getattr(app, f"_{name}").render())


def seen(app):
    """Return the lines of the screen as they are drawn."""
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]


def test_it_shows_the_jobs_and_follows_them(source, job):
    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        assert table(app)[1][:3] == ["7.0", "running", "c2 fit 50% half +1"]
        assert text(app, "heading").startswith("ap1: 3 idle, 1 running   08:45:00")
        await pilot.press("down", "down")
        assert text(app, "details").startswith("job 8.0 idle")
        source.snapshot = replace(source.snapshot, jobs=[job("6.0"), *source.snapshot.jobs])
        await until(pilot, lambda: len(table(app)) == 5)
        assert text(app, "details").startswith("job 8.0 idle"), "the cursor stays on its job"
        source.snapshot = replace(source.snapshot, jobs=[job("6.0"), job("8.0", "held", hold_reason="no disk")])
        await until(pilot, lambda: "held: no disk" in text(app, "details"))
        source.snapshot = Snapshot("ap1", NOW)
        await until(pilot, lambda: table(app) == [] and text(app, "details") == "")
        await pilot.press("x", "s", "w", "c", "o", "down")

    drive(source, scenario)
    assert source.done == []


def test_it_fits_a_terminal_of_80_columns(source):
    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        await pilot.press("down")
        await until(pilot, lambda: "step 1" in text(app, "lines"))
        lines = seen(app)
        assert len(lines) == 24
        [row] = [line for line in lines if line.startswith(" 7.0 ")]
        assert row.rstrip().endswith("0:01:05    31/128 M")
        footer = lines[-1]
        assert all(
            word in footer for word in ("Hold", "Release", "Remove", "Show", "Calls", "Stderr", "Why idle", "Quit")
        )

    drive(source, scenario)


def test_the_output_of_the_call_that_runs_is_live(source):
    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        await pilot.press("down")
        await until(pilot, lambda: text(app, "lines") == "0.stdout from 7\nstep 1")
        await pilot.press("o")
        await until(pilot, lambda: text(app, "lines") == "0.stderr from 0\nstep 1")
        await pilot.press("c", "down", "down")
        await until(pilot, lambda: len(table(app)) == 6)
        assert text(app, "details").endswith("call c3: c3 fit")
        await until(pilot, lambda: text(app, "lines") == "")
        await pilot.press("up")
        await until(pilot, lambda: text(app, "lines") == "0.stderr from 0\nstep 1")
        await pilot.press("c")
        await until(pilot, lambda: len(table(app)) == 4)
        source.snapshot = replace(source.snapshot, calls={})
        await pilot.press("home", "down")
        await until(pilot, lambda: "comes when the job has ended" in text(app, "lines"))

    drive(source, scenario)


def test_keys_act_on_the_jobs_of_the_selected_row(source):
    """If calls would fail, there is a question first."""
    cases = {
        "down h n": [],
        "h y": [(Action.HOLD, ["7.0"])],
        "x escape": [],
        "r": [(Action.RELEASE, ["7.0"])],
        "end x y": [(Action.REMOVE, ["9.0", "9.1"])],
        "home x y": [(Action.REMOVE, ["7.0", "8.0", "9.0", "9.1"])],
        "down c down r": [],  # a call
    }

    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        for keys, done in cases.items():
            source.done.clear()
            await pilot.press(*keys.split())
            await until(pilot, lambda done=done: len(source.done) == len(done))
            assert source.done == done, keys
            assert len(app.screen_stack) == 1

    drive(source, scenario)


def test_why_a_job_is_idle(source):
    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        await pilot.press("end", "w")
        await until(pilot, lambda: "idle: 9.0 has to wait" in text(app, "details"))
        await pilot.press("home", "w")
        assert "has to wait" not in text(app, "details")

    drive(source, scenario)


def test_the_calls_and_outcomes_of_a_job_are_shown(source):
    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        await pilot.press("down", "s")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.pause()
        assert any("calls of 7.0 in 77 columns" in line for line in seen(app))
        await pilot.press("end")
        await until(pilot, lambda: any("the end" in line for line in seen(app)))
        await pilot.press("escape")
        assert len(app.screen_stack) == 1

    drive(source, scenario)


def test_an_access_point_that_does_not_answer_is_asked_again(source):
    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        source.error = AccessPointError("ap1 does not answer")
        await until(pilot, lambda: text(app, "heading") == "ap1 does not answer (trying again)")
        assert len(table(app)) == 4, "the last answer stays"
        await pilot.press("down", "r")
        await until(pilot, lambda: [message.message for message in app._notifications] == ["ap1 does not answer"])
        source.error = None
        await until(pilot, lambda: text(app, "heading").startswith("ap1: "))

    drive(source, scenario)


def test_it_ends_at_once_though_the_access_point_does_not_answer(source):
    asked, answer = threading.Event(), threading.Event()

    def collect():
        asked.set()
        answer.wait(60)
        return source.snapshot

    source.collect = collect

    async def scenario(app, pilot):
        await until(pilot, asked.is_set)
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    drive(source, scenario)
    answer.set()


def test_a_resized_terminal_has_a_wider_table(source):
    async def scenario(app, pilot):
        await until(pilot, lambda: len(table(app)) == 4)
        await pilot.press("down")
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: app.size.width == 120)
        await pilot.pause()
        assert table(app)[1][0] == "7.0"
        columns = app._table.ordered_columns
        assert sum(column.get_render_width(app._table) for column in columns) == 119
        assert text(app, "details").startswith("job 7.0 running")

    drive(source, scenario)
