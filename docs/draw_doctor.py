"""Draw ``images/doctor.svg``: what ``condor-futures doctor`` prints, from a real run on a new personal pool.

    python docs/draw_doctor.py

The picture is kept in git, because a run needs a pool. Run this after a change of the output, and look at the picture.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text
from typer.testing import CliRunner

from condor_futures import cli
from condor_futures.cli import output
from condor_futures.doctor import Finding, examine
from condor_futures.personal import PersonalPool

doctor = importlib.import_module("condor_futures.cli.doctor")  # the module, which the package names like its command
PICTURE = Path(__file__).parent / "images" / "doctor.svg"
COLUMNS = 118


class Recorder(Console):
    """A console that records what stays on the screen, and not the line that changes below it."""

    def status(self, *args: Any, **options: Any) -> Status:
        """Show the changing line nowhere."""
        return Console(file=self.file).status(*args, **options)


def main() -> None:
    """Run the command in a terminal that rich records."""
    with tempfile.TemporaryDirectory(prefix="ada-") as home:
        os.environ["XDG_STATE_HOME"] = f"{home}/.local/state"
        # The names are those of the documentation's user. They are replaced first, because lines are wrapped after it.
        names = {
            home: "/home/ada",
            sys.prefix: "/home/ada/venv",
            str(Path.home()): "/home/ada",
            os.uname().nodename: "ep17",
        }
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, PersonalPool(slots=4):
            recorder = Recorder(
                record=True,
                file=nowhere,
                force_terminal=True,
                width=COLUMNS,
                markup=False,
                emoji=False,
                highlight=False,
            )
            output.console = doctor.console = recorder
            doctor.examine = lambda *args, **options: (rename(finding, names) for finding in examine(*args, **options))
            recorder.print(Text("$ condor-futures doctor", "bold"))
            done = CliRunner().invoke(cli.app, ["doctor"])
            assert done.exit_code == 0, done.output
        # rich's template loads fonts from the web, which pictures in pages may not.
        picture = re.sub(
            r"@font-face \{.*?\}\n", "", recorder.export_svg(title="condor-futures doctor"), flags=re.DOTALL
        )
        PICTURE.write_text(picture, encoding="utf-8")


def rename(finding: Finding, names: Mapping[str, str]) -> Finding:
    """Replace the names of this machine in the sentence of a finding."""
    sentence = finding.sentence
    for name, other in names.items():
        sentence = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", other, sentence)
    return dataclasses.replace(finding, sentence=sentence)


if __name__ == "__main__":
    main()
