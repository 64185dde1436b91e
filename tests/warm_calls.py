"""Calls that the tests of warm jobs make."""

from __future__ import annotations

import os
import time
from pathlib import Path

from support import until


def pid(_: object = None) -> int:
    return os.getpid()


def job_of_the_call(_: object = None) -> str:
    """The id of the job that makes the call."""
    text = Path(os.environ["_CONDOR_JOB_AD"]).read_text()
    values = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    return f"{values['ClusterId']}.{values['ProcId']}"


class Gate:
    """Calls that note their beginning in a file, and wait for another file."""

    def __init__(self, directory: Path) -> None:
        self.begun, self.flag = directory / "begun", directory / "flag"

    def call(self, value: int = 0) -> int:
        with self.begun.open("a") as file:
            file.write(f"{value}\n")
        self.begun.chmod(0o666)
        while not self.flag.exists():
            time.sleep(0.01)
        return value

    def numbers(self) -> list[int]:
        return list(map(int, self.begun.read_text().split())) if self.begun.exists() else []

    def wait_for(self, count: int) -> None:
        until(lambda: len(self.numbers()) >= count)

    def open(self) -> None:
        self.flag.touch()
