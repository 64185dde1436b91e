"""``condor-futures profiles``: the list of profiles."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from condor_futures.cli.output import console, print_table
from condor_futures.options.profiles import profile_files, read_profiles

__all__ = ["profiles"]


def profiles() -> None:
    """List the profiles for CondorExecutor.from_profile(), with their keywords and the files that define them."""
    files = profile_files()
    seen: set[str] = set()
    table = Table(box=None, padding=(0, 2))
    for column in ("profile", "keywords", "file"):
        table.add_column(column, overflow="fold")
    origins = {path: origin for origin, path in files.items()}
    for profile in read_profiles():
        keywords = [f"{name} = {value!r}" for name, value in profile.keywords.items()]
        if profile.inherits is not None:
            keywords.insert(0, f"inherits {profile.inherits!r}")
        hidden = profile.name in seen
        seen.add(profile.name)
        style = "dim" if hidden else ""
        origin = origins[profile.path] + (", hidden by the one above" if hidden else "")
        table.add_row(Text(profile.name, style or "bold"), Text("\n".join(keywords), style), Text(origin, style))
    print_table(table)
    console.print()
    for origin, path in files.items():
        there = "" if path.exists() else " (missing)"
        console.print(Text(f"{origin}: {path}{there}", "dim"), soft_wrap=True)
