"""Calls that the tests of warm jobs make."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from support import until


def pid(_: object = None) -> int:
    return os.getpid()


def _own_job_ad() -> dict[str, str]:
    text = Path(os.environ["_CONDOR_JOB_AD"]).read_text()
    return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)


def job_of_the_call(_: object = None) -> str:
    """The id of the job that makes the call."""
    values = _own_job_ad()
    return f"{values['ClusterId']}.{values['ProcId']}"


def directory_of_the_call() -> Path:
    """The directory at the access point that belongs to the job that makes the call."""
    return Path(_own_job_ad()["LimitDirectoryAccess"].strip('"').split(",")[0])


def ask_the_proxy(*requests: str) -> list[int]:
    """What the Chirp proxy of the job that makes the call replies to each request; negative if it refuses."""
    scratch = os.environ["_CONDOR_SCRATCH_DIR"]
    path = os.environ.get("_CONDOR_CHIRP_CONFIG") or f"{scratch}/.chirp.config"
    host, port, cookie = Path(path).read_text().split()[:3]
    replies = []
    for request in requests:
        # A connection for each, because data follow some replies.
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rwb", buffering=0) as file:
            for line in (f"cookie {cookie}", request):
                file.write(line.encode() + b"\n")
                reply = int(file.readline())
            replies.append(reply)
    return replies


class Gate:
    """Calls that note their beginning in a file, and wait for another file."""

    def __init__(self, directory: Path) -> None:
        self.begun, self.flag = directory / "begun", directory / "flag"

    def call(self, value: object = 0) -> object:
        with self.begun.open("a") as file:
            file.write(f"{value}\n")
        self.begun.chmod(0o666)
        while not self.flag.exists():
            time.sleep(0.01)
        return value

    def values(self) -> list[str]:
        """The values of the calls that have begun, in this order."""
        return self.begun.read_text().splitlines() if self.begun.exists() else []

    def numbers(self) -> list[int]:
        return list(map(int, self.values()))

    def wait_for(self, count: int) -> None:
        until(lambda: len(self.values()) >= count)

    def open(self) -> None:
        self.flag.touch()
