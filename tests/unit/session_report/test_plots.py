"""The plots are drawn, as SVG and as PNG, and are small for any number of calls."""

from __future__ import annotations

import shutil
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from matplotlib.image import imread
from report_evidence import ended, evidence, failed, job

from condor_futures.errors import CondorFuturesError
from condor_futures.session_report.data import make_report
from condor_futures.session_report.page import render
from condor_futures.session_report.plots import COLOURS, draw

HOSTILE = "$<b>&"
CHROMIUM = shutil.which("chromium")


def large_report(calls=100_000, jobs=2000):
    """Return the report of a session whose jobs begin one after the other."""
    spans = [
        (("queued", 0.0, 5.0 + number / 10), ("transfer", 5.0 + number / 10, 8.0 + number / 10))
        for number in range(jobs)
    ]
    many = [
        job(
            f"b{number:06d}",
            *begin,
            ("running", begin[-1][2], 1500.0),
            job_id=f"1.{number}",
            memory=(200 + number % 97) << 20,
            requested=1 << 30,
        )
        for number, begin in enumerate(spans)
    ]
    outcomes = []
    for number in range(calls):
        bundle, turn = number % jobs, number // jobs
        start = 10.0 + bundle / 10 + turn * 20
        where = {"bundle": f"b{bundle:06d}", "host": f"ep{bundle % 300}"}
        if number % 1000:
            outcomes.append(ended(number, start, start + 10 + bundle % 9, **where))
        else:
            outcomes.append(failed(number, f"no minimum in run {number}", started=start, stopped=start + 1, **where))
    return make_report(evidence(outcomes, many, warm=[one.bundle for one in many], until=1600.0))


@pytest.fixture(scope="module")
def large_page():
    report = large_report()
    return render(report, draw(report, "svg"), "svg")


def test_a_page_of_a_hundred_thousand_calls_is_small(large_page):
    assert len(large_page) < 5_000_000
    assert "100,000" in large_page


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_browser_shows_the_plots(large_page, tmp_path):
    """The picture of the page has the colours of the states."""
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(large_page, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'chromium'}"]
    size = ["--window-size=1000,1600", "--force-device-scale-factor=1"]
    subprocess.run(
        [CHROMIUM, *options, *size, f"--screenshot={picture}", page.as_uri()], capture_output=True, check=True
    )
    pixels = (imread(picture)[..., :3] * 255).round().astype(int)
    for state in ("queued", "running", "idle while warm"):
        colour = [int(COLOURS[state][place : place + 2], 16) for place in (1, 3, 5)]
        assert (abs(pixels - colour).max(axis=-1) <= 2).sum() > 1000, state


def test_the_plots_are_svg_or_png():
    report = make_report(
        evidence(
            [ended(0, function=HOSTILE), failed(1, "no", stopped=300.0, memory=5 << 20, function=100 * "a")],
            [job("b0", ("running", 0.0, 9.0), memory=1 << 20, job_id=HOSTILE), job("b1", ("held", 0.0, 9.0))],
            parents={"c000002": ["c000000", "c000001"]},
        )
    )
    names = ["timeline", "concurrency", "run_times", "graph", "memory"]
    pictures = draw(report, "svg")
    assert list(pictures) == names
    texts = {name: "".join(ET.fromstring(picture).itertext()) for name, picture in pictures.items()}
    assert HOSTILE in texts["timeline"]
    assert HOSTILE in texts["graph"]
    assert "a..." in texts["graph"]
    assert "held" in texts["concurrency"]
    assert "queued" not in texts["concurrency"]  # no job was
    assert "run time of a call in minutes" in texts["run_times"]
    assert "largest memory of the process of a call in MiB" in texts["memory"]
    pictures = draw(report, "png")
    assert list(pictures) == names
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())


def test_what_has_not_happened_is_not_drawn():
    assert draw(make_report(evidence()), "svg") == {}


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(CondorFuturesError, match=r"pip install 'condor-futures\[report\]'"):
        draw(make_report(evidence()), "svg")
