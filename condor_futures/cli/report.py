"""``condor-futures report``: a page that shows what happened in a session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from condor_futures.cli.output import console
from condor_futures.session.session import Session
from condor_futures.session_report.data import make_report
from condor_futures.session_report.evidence import read_evidence
from condor_futures.session_report.page import render
from condor_futures.session_report.plots import draw

__all__ = ["report"]


def report(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="The id of a session, or its directory.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page.", show_default="SESSION-report.html, here")
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Also write each plot as a PNG file beside the page.")] = False,
) -> None:
    """Write an HTML page about a session: timeline, run times, memory, failures, machines."""
    found = Session.find(session)
    numbers = make_report(read_evidence(found))
    page = output if output is not None else Path(f"{found.id}-report.html")
    page.write_text(render(numbers, draw(numbers, "svg"), "svg"), encoding="utf-8")
    written = [page]
    if png:
        for name, picture in draw(numbers, "png").items():
            written.append(page.with_name(f"{page.stem}-{name.replace('_', '-')}.png"))
            written[-1].write_bytes(picture)
    for path in written:
        console.print(path, highlight=False, soft_wrap=True)
