"""The page: whole without anything from elsewhere, and with every text escaped."""

from __future__ import annotations

import dataclasses
import html
import math
import re
from html.parser import HTMLParser

from report_evidence import ended, evidence, failed, job

from condor_futures.session_report.data import make_report
from condor_futures.session_report.job_histories import Problem
from condor_futures.session_report.page import render

HOSTILE = "<script>alert('x')</script>&\""


class Elements(HTMLParser):
    """The elements of a page, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def page_of(*args, pictures=("timeline", "concurrency", "run_times", "memory"), **options) -> str:
    return render(make_report(evidence(*args, **options)), dict.fromkeys(pictures, b"<svg/>"), "svg")


def text_of(page: str) -> str:
    return " ".join(" ".join(Elements(page).texts).split())


def test_an_empty_session_has_a_page():
    text = text_of(page_of(calls=2, pictures=()))
    assert "Nothing has run yet." in text
    assert "No memory was measured." in text
    assert "No call failed." in text
    assert "2 without an outcome" in text
    assert "the access point does not see the session directory" in text


def test_every_text_of_a_session_is_escaped():
    outcomes = [failed(0, HOSTILE, host=HOSTILE, traceback=HOSTILE), ended(1, host=HOSTILE)]
    outcomes[0] = dataclasses.replace(outcomes[0], error=HOSTILE, call=HOSTILE)
    jobs = [job("b0", ("running", 0.0, 5.0), job_id=HOSTILE, problems=[Problem(HOSTILE, HOSTILE)])]
    page = page_of(outcomes, jobs)
    assert "<script" not in page
    assert page.count(html.escape(HOSTILE)) == 9
    found = Elements(page)
    assert found.open == []
    assert "script" not in [tag for tag, _ in found.tags]


def test_the_page_loads_nothing_from_elsewhere():
    page = page_of([ended(0)], [job("b000000", ("running", 0.0, 5.0), memory=1 << 20)])
    sources = [attributes["src"] for tag, attributes in Elements(page).tags if tag == "img"]
    assert len(sources) == 4
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"https?:|<link|url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_numbers_are_in_the_page():
    outcomes = [ended(number, host="ep1") for number in range(1200)]
    outcomes += [ended(number, 0.0, 3.0, host="ep2") for number in range(2000, 2005)] + [failed(3000, "no minimum")]
    jobs = [
        job("b000000", ("queued", 0.0, 60.0), ("running", 60.0, 3660.0), memory=300 << 20, requested=2048 << 20),
        job("b000001", ("held", 0.0, math.inf), job_id="1.1", problems=[Problem("held, code 12", "no such file")]),
    ]
    text = text_of(page_of(outcomes, jobs, until=3660.0))
    for part in (
        "1,206 calls",
        "1,205 succeeded",
        "1 failed",
        "2 jobs",
        "queued 60.0 s",
        "held 61.0 min",
        "99% of the jobs needed at most 300 MiB",
        "Requested: 1 jobs 2,048 MiB",
        "request_memory=384",
        "1 ValueError no minimum ep1 c003000",
        "1 held, code 12 no such file 1.1",
        "1 machine is slow",
        "ep2 slow 5 0 3.0 s 3.00",
    ):
        assert part in text, (part, text)
