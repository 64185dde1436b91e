"""``condor-futures status --watch``, in a real terminal of 80 columns."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios

import pytest
from support import until

from condor_futures import JobHeldError, report

pytestmark = pytest.mark.pool


class Watch:
    """The command in a pseudo-terminal, and the text that it has written."""

    def __init__(self, *arguments):
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "condor_futures.cli", "status", "--watch", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(slave)
        self.text = ""

    def shows(self, *texts):
        """Return whether all *texts* have been on the screen."""
        while select.select([self.master], [], [], 0.05)[0]:
            try:
                self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self.master, 65536).decode(errors="replace"))
            except OSError:  # the command has ended
                break
        return all(text in self.text for text in texts)

    def press(self, *keys):
        for key in keys:
            os.write(self.master, key.encode())

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def test_a_call_is_watched_and_its_job_is_held(warm, gate):
    executor = warm(max_workers=1, request_memory="200MB").with_options(name="run-{0}")

    def simulate(number):
        report(0.25, "a quarter")
        print("begun with", number, flush=True)
        gate.call(1)

    future = executor.submit(simulate, 7)
    assert next(future.tail()) == "begun with 7\n"
    session = executor._engine.session.id
    watch = Watch("--session", session)
    try:
        until(lambda: watch.shows(session, "run-7 simulate", "/200 M", "1 running"))
        watch.press("\x1b[B")
        until(lambda: watch.shows("begun with 7", "25% a quarter", future.host.partition(".")[0]))
        watch.press("h")
        until(lambda: watch.shows("Hold the job"))
        watch.press("y")
        error = future.exception(60)
        assert isinstance(error, JobHeldError)
        assert "put on hold by condor-futures status --watch" in str(error)
        watch.press("q")
        until(lambda: watch.shows() and watch.process.poll() is not None)
        assert watch.process.returncode == 0, watch.text
    finally:
        watch.close()
        gate.open()


def test_it_needs_a_terminal(pool):
    command = [sys.executable, "-m", "condor_futures.cli", "status", "--watch"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "--watch needs a terminal; without --watch, the command prints the table once" in done.stderr
