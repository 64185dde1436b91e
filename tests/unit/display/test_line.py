"""The text of the line."""

from __future__ import annotations

import pytest

from condor_futures.display.line import Pace, Part, bar, fit, parts
from condor_futures.future import Progress


def text(*args, width=200, **options):
    return fit(parts(*args, **options), width)


def test_the_time_left():
    """It is that of all calls that have not ended. When all have ended, there is none."""
    line = text("calls", {"done": 8, "failed": 2, "running": 10}, elapsed=5.0, pace=2.0)
    assert line == "calls: 8/20 done   idle 0   running 10   held 0   failed 2   2.0/s   5 s left   5 s"
    assert text("calls", {"done": 3}, elapsed=5.0, pace=2.0) == "calls: 3/3 done   idle 0   running 0   held 0   5 s"
    assert "left" not in text("calls", {"idle": 3}, pace=0.0)


@pytest.mark.parametrize(
    ("pace", "said"), [(1234.5, "1,234/s"), (10.0, "10/s"), (9.96, "10.0/s"), (0.1, "0.1/s"), (0.05, "3.0/min")]
)
def test_paces(pace, said):
    assert said in text("calls", {"idle": 1}, pace=pace)


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (90, "calls: 1/4 done   idle 0   running 2   held 1   2.0/s   2 s left   reported 50%   4 s"),
        (80, "calls: 1/4 done   running 2   held 1   2.0/s   2 s left   reported 50%   4 s"),
        (60, "calls: 1/4 done   running 2   held 1   2 s left"),
        (40, "calls: 1/4 done   running 2   held 1"),
        (20, "calls: 1/4 done"),
        (10, "calls: 1/4"),
    ],
)
def test_a_narrow_terminal_has_the_most_important_parts(width, line):
    counts = {"done": 1, "running": 2, "held": 1}
    fitted = text("calls", counts, [Progress(0.5, "")], elapsed=4.0, pace=2.0, width=width)
    assert len(fitted) <= width
    if width != 60:
        assert fitted == line


def test_wide_characters_count_twice():
    assert fit([Part("数" * 30)], 11) == "数" * 5 + " "


def test_colours_take_no_room():
    styles = {"": "<0>", "red": "<1>"}
    assert fit([Part("a"), Part("b", "red"), Part("c", "bold")], 9, styles) == "a   <1>b<0>   c"


def test_bars():
    assert bar({}).text == "─" * 12
    assert bar({"done": 1, "failed": 1, "cancelled": 1}).text == "━" * 12


def test_a_pace_forgets_what_is_long_ago():
    pace = Pace()
    for time in range(100):
        pace.observe(float(time), time)
    assert pace.observe(100.0, 160) == pytest.approx(2.0)
    assert len(pace._seen) < 65
