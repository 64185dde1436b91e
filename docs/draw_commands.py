"""Draw ``doctor.svg``, ``progress.svg``, ``watch.svg`` and ``report.png`` in ``images/``, from runs on a new pool.

    python docs/draw_commands.py [doctor] [progress] [report] [watch]

Chromium takes the picture of the report. The pictures are kept in git, because a run needs a pool. Run this after a
change of the output, and look at them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import importlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text
from textual.widgets import DataTable
from typer.testing import CliRunner

from condor_futures import cli
from condor_futures.cli import output
from condor_futures.cli.locating import connected, constraint_for, locate
from condor_futures.doctor import Finding, examine
from condor_futures.personal import PersonalPool
from condor_futures.status_screen.collector import Snapshot
from condor_futures.status_screen.screen import StatusScreen
from condor_futures.status_screen.source import Source

doctor_command = importlib.import_module("condor_futures.cli.doctor")  # the module, which has the name of its command
IMAGES = Path(__file__).parent / "images"
COLUMNS = 118

#: A program with a progress line.
SWEEP = """\
import random, time
from condor_futures import CondorExecutor, as_completed, report

def simulate(run):
    for step in range(5):
        report(step / 5, f"step {step} of 5")
        time.sleep(random.uniform(0.1, 0.3))
    return 1 / (run % 17)

with CondorExecutor(8, access_point="personal", progress=True) as executor:
    futures = {executor.submit(simulate, run): run for run in range(100)}
    for future in as_completed(futures):
        if future.exception():
            print(f"run {futures[future]}: {future.exception()}")
"""

#: A program whose session the report is about.
REPORTED = """\
import random, sys, time
from condor_futures import CondorExecutor

def simulate(run):
    memory = bytearray(random.randrange(10, 60) << 20)
    time.sleep(random.lognormvariate(-1.5, 0.5))
    if run % 17 == 0:
        raise ZeroDivisionError(f"run {run} has no events")
    if run % 59 == 0:
        raise ValueError(f"no minimum in [{run}, {run + 1}]")

def slowly(run):
    time.sleep(3)

with CondorExecutor(8, access_point="personal", warm=3, session=sys.argv[1]) as executor:
    list(executor.map(simulate, range(400), return_exceptions=True))
    executor.with_options(max_retries=1, retry_exceptions=OSError).submit(open, "no such file").exception()
    executor.with_options(periodic_hold="JobStatus == 2").submit(slowly, 1).exception()
"""


#: A program whose jobs are watched. The first of its lines of output says that the calls run.
WATCHED = """\
import random, sys, time
from condor_futures import CondorExecutor, report

def simulate(run, steps=200):
    rng = random.Random(run)
    for step in range(steps):
        energy = 1000 * 0.97 ** step + rng.random()
        print(f"step {step:3d}: energy {energy:10.4f} GeV", flush=True)
        report(step / steps, f"energy {energy:.0f} GeV")
        time.sleep(rng.uniform(0.1, 0.4))

def fit(sample):
    time.sleep(60)

executor = CondorExecutor(access_point="personal", session=sys.argv[1])
held = executor.with_options(allowed_execute_duration=1, on_hold="wait", name="fit-{0}").submit(fit, "M31")
named = executor.with_options(name="run-{0}")
futures = [named.submit(simulate, run) for run in range(40)]
executor.with_options(request_memory="512GB").submit_cluster(fit, 1 << 30, count=24)
while held.state != "held":
    time.sleep(0.1)
next(futures[0].tail())
time.sleep(8)
print("begun", flush=True)
time.sleep(60)
executor.terminate_workers()
"""


class Recorder(Console):
    """A console that records what stays on the screen, and not the line that changes below it."""

    def __init__(self) -> None:
        self._nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - save() closes it
        super().__init__(
            record=True,
            file=self._nowhere,
            force_terminal=True,
            width=COLUMNS,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def status(self, *args: Any, **options: Any) -> Status:
        """Show the changing line nowhere."""
        return Console(file=self._nowhere).status(*args, **options)

    def save(self, name: str, title: str) -> None:
        """Write the picture. rich's template loads fonts from the web, which pictures in pages may not."""
        picture = re.sub(r"@font-face \{.*?\}\n", "", self.export_svg(title=title), flags=re.DOTALL)
        (IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")
        self._nowhere.close()


def draw_doctor(home: str) -> None:
    """Run the command in a terminal that rich records."""
    # The names are those of the documentation's user. They are replaced first, because lines are wrapped after it.
    names = {
        home: "/home/ada",
        sys.prefix: "/home/ada/venv",
        str(Path.home()): "/home/ada",
        os.uname().nodename: "ep17",
    }
    recorder = Recorder()
    output.console = doctor_command.console = recorder
    doctor_command.examine = lambda *args, **options: (rename(each, names) for each in examine(*args, **options))
    recorder.print(Text("$ condor-futures doctor", "bold"))
    done = CliRunner().invoke(cli.app, ["doctor"])
    assert done.exit_code == 0, done.output
    recorder.save("doctor", "condor-futures doctor")


def rename(finding: Finding, names: Mapping[str, str]) -> Finding:
    """Replace the names of this machine in the sentence of a finding."""
    sentence = finding.sentence
    for name, other in names.items():
        sentence = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", other, sentence)
    return dataclasses.replace(finding, sentence=sentence)


def draw_progress(_home: str) -> None:
    """Run a program in a pseudo-terminal, and take what is there when about half of its calls have ended."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    program = subprocess.Popen([sys.executable, "-c", SWEEP], stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    written = ""
    try:
        while not ("left" in (line := written.rpartition("\x1b[2K")[2]) and re.search(r"[45]\d/100 done.*\r$", line)):
            written += os.read(master, 65536).decode()
    finally:
        program.terminate()
        program.wait()
        os.close(master)
    recorder = Recorder()
    recorder.print(Text("$ python sweep.py", "bold"))
    for printed in re.findall(r"^(?:.*\x1b\[2K)?(run \d.*)\r$", written, re.MULTILINE):
        recorder.print(printed)
    recorder.print(Text.from_ansi(line.strip("\r")))
    recorder.save("progress", "progress=True")


def draw_report(home: str) -> None:
    """Write the page, with the names of the documentation's user, and photograph it."""
    session, page = f"{home}/sweep", Path(home, "sweep.html")
    subprocess.run([sys.executable, "-c", REPORTED, session], check=True)
    done = CliRunner().invoke(cli.app, ["report", session, "--output", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8").replace(home, "/home/ada")
    page.write_text(re.sub(rf">{re.escape(os.uname().nodename)}<", ">ep17<", text), encoding="utf-8")
    picture = f"--screenshot={IMAGES / 'report.png'}"
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={home}/chromium"]
    subprocess.run(
        [shutil.which("chromium") or "chromium", *options, "--window-size=1060,3020", picture, page.as_uri()],
        check=True,
    )


class Renamed(Source):
    """What the screen shows, with the names of the documentation's user."""

    def collect(self) -> Snapshot:
        """Replace the names of this machine."""
        snapshot = super().collect()
        host = os.uname().nodename
        jobs = [dataclasses.replace(job, host=job.host and "ep17") for job in snapshot.jobs]
        sessions = {
            name: dataclasses.replace(info, directory=Path("/home/ada/sweep"), client="ap1", pid=4711)
            for name, info in snapshot.sessions.items()
        }
        name = snapshot.name.replace(host, "ap1")
        return dataclasses.replace(snapshot, name=name, jobs=jobs, sessions=sessions)


def draw_watch(home: str) -> None:
    """Run a program, and take the screen when one of its running jobs is selected."""
    program = subprocess.Popen([sys.executable, "-c", WATCHED, f"{home}/watched"], stdout=subprocess.PIPE)
    try:
        assert program.stdout is not None
        assert program.stdout.readline() == b"begun\n"
        with connected(locate("personal", None)) as helper:
            screen = StatusScreen(Renamed(helper, constraint_for(None, None)))
            picture = asyncio.run(photograph(screen))
    finally:
        program.terminate()
        program.wait()
    (IMAGES / "watch.svg").write_text(re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL), encoding="utf-8")


async def photograph(screen: StatusScreen) -> str:
    """Select the third job, and return the screen as an SVG file."""
    async with screen.run_test(size=(100, 28)) as pilot:
        while not screen.query_one(DataTable).row_count:
            await pilot.pause(0.1)
        await pilot.press("down", "down", "down")
        await pilot.pause(3)
        return screen.export_screenshot(title="condor-futures status --watch")


def main() -> None:
    """Draw the pictures that are asked for, or all."""
    draw = {"doctor": draw_doctor, "progress": draw_progress, "report": draw_report, "watch": draw_watch}
    with tempfile.TemporaryDirectory(prefix="ada-") as home:
        os.environ["XDG_STATE_HOME"] = f"{home}/.local/state"
        with PersonalPool(slots=4):
            for name in sys.argv[1:] or draw:
                draw[name](home)


if __name__ == "__main__":
    main()
