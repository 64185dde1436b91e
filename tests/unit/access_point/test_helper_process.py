"""One helper process, from its start to its end."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from condor_futures.access_point import helper_process
from condor_futures.access_point.helper_process import HelperProcess

ECHO = """
import os, sys
print(os.environ.get("CONDOR_CONFIG"), sys.argv[1:], flush=True)
for line in sys.stdin:
    print(line.rstrip(), flush=True)
    if line.strip() == "null":
        break
sys.stdout.write("half a line")
sys.stdout.flush()
sys.exit(3)
"""
REQUEST = {"id": 1, "operation": "cores", "arguments": {}, "patience": 0.0}


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start helpers that print how they were started, and then the messages that they receive."""
    script = tmp_path / "helper.py"
    script.write_text(ECHO)
    monkeypatch.setattr(helper_process, "_HELPER", script)
    started = []

    def start(*messages, **options):
        started.append(HelperProcess(*messages, **options))
        return started[-1]

    yield start
    for helper in started:
        helper.kill()
        helper.wait()
        helper.close()


def test_first_it_is_told_where_to_import_from(start):
    """Its first requests follow, and then later messages. It ignores an incomplete last line."""
    helper = start(REQUEST)
    helper.write(None)
    _, path, *told = helper.lines()
    assert path.startswith(b"[")
    assert told == [helper_process.words.encode(REQUEST), b"null\n"]
    assert helper.wait() == 3


def test_it_has_the_environment_and_the_lock_that_it_is_given(start, tmp_path):
    helper = start(environment={"CONDOR_CONFIG": "/pool/config"}, lock_file=tmp_path / "lock")
    assert next(helper.lines()) == f"/pool/config ['{tmp_path}/lock']\n".encode()


def test_it_ends_when_its_input_does(start):
    helper = start()
    helper.close_input()
    assert helper.wait() == 3


def test_a_dead_one_takes_messages_silently(start):
    """Its reader notices the end."""
    helper = start()
    helper.kill()
    assert helper.wait() == -signal.SIGKILL
    helper.write(REQUEST)
    helper.close_input()
    helper.write(REQUEST)


def test_a_wait_may_be_limited(start):
    with pytest.raises(subprocess.TimeoutExpired):
        start().wait(0.01)


def test_it_is_in_a_session_of_its_own(start):
    """Therefore, only the client reacts to Ctrl-C and to a closing terminal."""
    helper = start()
    assert os.getsid(helper.pid) == helper.pid


def test_a_forked_child_does_not_keep_it(start):
    """Its input ends with the client's copy, although the child still holds the descriptor."""
    helper = start()
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    try:
        helper.close_input()
        assert helper.wait(30) == 3
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
