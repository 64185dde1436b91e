"""``condor-futures doctor``: what works, and what to do about the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from condor_futures.cli.locating import AccessPointName, CollectorName
from condor_futures.cli.output import complain, console, print_json, print_table
from condor_futures.cli.pool import install_htcondor
from condor_futures.doctor import Finding, Level, examine
from condor_futures.doctor.fixes import FIXES
from condor_futures.errors import CondorFuturesError
from condor_futures.personal import PersonalPool

__all__ = ["doctor"]

_MARKS = {
    Level.OK: ("✓", "green"),
    Level.NOTE: ("-", "dim"),
    Level.WARNING: ("!", "yellow"),
    Level.FAILED: ("✗", "red"),
}
_WORDS = {Level.OK: "ok", Level.NOTE: "-", Level.WARNING: "!", Level.FAILED: "FAILED"}  # for other encodings


def doctor(
    commands: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Submit commands for the probe job, as request_gpus=1."),
    ] = None,
    access_point: AccessPointName = None,
    pool: CollectorName = None,
    warm: Annotated[
        bool | None,
        typer.Option("--warm/--no-warm", help="Try a warm job.", show_default="in a personal pool only"),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1.0, help="Seconds to wait for the probe job to run.")] = 60.0,
    fix: Annotated[bool, typer.Option("--fix", help="Offer repairs, and examine again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Make the repairs of --fix without a question.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with times in seconds and sizes in bytes.")
    ] = False,
) -> None:
    """Find out what works between you, an access point and its pool, with a probe job, and what to do about the rest.

    The exit status is 1 if jobs cannot run.
    """
    options = _options(commands or ())

    def look() -> list[Finding]:
        return _examine(_locate(access_point, pool), warm, timeout, options, quiet=as_json)

    findings = look()
    if fix and _repair(findings, yes=yes):
        findings = look()
    if as_json:
        print_json(findings)
    else:
        _sum_up(findings)
    if any(finding.level is Level.FAILED for finding in findings):
        raise typer.Exit(1)


def _locate(access_point: str | None, pool: str | None) -> str | tuple[str, str] | None:
    if pool is not None:
        if access_point in (None, "personal"):
            raise CondorFuturesError("--pool needs the name of an access point: add --access-point NAME")
        assert access_point is not None
        return pool, access_point
    return "personal" if access_point is None and PersonalPool().is_running else access_point


def _options(commands: Sequence[str]) -> dict[str, str]:
    pairs = [command.partition("=") for command in commands]
    for name, equals, _ in pairs:
        if not equals:
            raise typer.BadParameter(f"{name!r} is not of the form NAME=VALUE, as request_memory=4GB")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _examine(
    access_point: str | tuple[str, str] | None,
    warm: bool | None,
    timeout: float,
    options: dict[str, Any],
    *,
    quiet: bool,
) -> list[Finding]:
    """Print each finding as soon as it is made."""
    findings = []
    with console.status("") as status:
        if quiet:
            status.stop()

        def tell(what: str) -> None:
            status.update(f"{what} ...")

        try:
            found = examine(access_point, warm=warm, timeout=timeout, tell=tell, **options)
        except (TypeError, ValueError) as error:
            raise typer.BadParameter(str(error)) from None
        for finding in found:
            findings.append(finding)
            if not quiet:
                _print(finding)
    return findings


def _print(finding: Finding) -> None:
    mark, style = _MARKS[finding.level]
    if not console.encoding.lower().startswith("utf"):
        mark = _WORDS[finding.level]
    line = Table.grid(
        Column(width=len(mark)), Column(width=17, no_wrap=True), Column(overflow="fold"), padding=(0, 1), expand=False
    )
    text = Text(finding.sentence, "" if finding.level is not Level.FAILED else "red")
    line.add_row(Text(mark, style), Text(finding.name, "bold"), text)
    print_table(line)


def _sum_up(findings: Sequence[Finding]) -> None:
    failed = sum(finding.level is Level.FAILED for finding in findings)
    fixes = [finding.fix for finding in findings if finding.fix]
    console.print()
    if failed:
        console.print(Text(f"Jobs cannot run yet: {failed} of {len(findings)} checks failed.", "red"))
    else:
        console.print(Text("Jobs run here.", "green"))
    if fixes:
        console.print(Text("`condor-futures doctor --fix` offers to repair: " + ", ".join(fixes) + ".", "dim"))


def _repair(findings: Sequence[Finding], *, yes: bool) -> bool:
    """Offer the repairs; return whether one was made."""
    made = False
    for name in dict.fromkeys(finding.fix for finding in findings if finding.fix):
        repair = FIXES[name]
        if not (yes or typer.confirm(repair.question(), default=False, err=True)):
            continue
        try:
            done = repair.make(install_htcondor)
        except CondorFuturesError as error:
            complain(error)
        else:
            made = True
            typer.echo(done, err=True)
    return made
