"""Bad input gets the right exception and one clear sentence, before anything is submitted where that is possible."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import bad_input
import pytest
from bad_input import AT_ONCE, LATER, Case

import condor_futures
from condor_futures import CondorExecutor

pytestmark = [
    pytest.mark.pool,
    # Of the files and sockets that are no arguments.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

IMPORTS = (multiprocessing, os, socket, sqlite3, sys, threading, condor_futures)
CASES = [case for cases in AT_ONCE.values() for case in cases]
LATER_CASES = [case for cases in LATER.values() for case in cases]


@pytest.fixture(scope="module")
def own(pool):
    """An executor for all cases, and one that was shut down."""
    with CondorExecutor(access_point="personal", warm=0) as executor:
        closed = CondorExecutor(access_point="personal", warm=0)
        closed.shutdown()
        yield {"executor": executor, "closed": closed}
    assert pool.queue(executor) == []


@pytest.fixture(scope="module", autouse=True)
def nothing_submitted(own):
    """HTCondor counts the clusters: between one before all cases and one after them there is none."""
    first = own["executor"].submit(pow, 2, 2)
    assert first.result() == 4
    own["later"] = 0
    yield
    last = own["executor"].submit(pow, 2, 2)
    assert last.result() == 4
    assert int(last.job_id.split(".")[0]) - int(first.job_id.split(".")[0]) - 1 <= own["later"]


@pytest.fixture
def room(own, pool, tmp_path, monkeypatch):
    """An empty directory, and the names that the code of a case may use."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    profiles = tmp_path / ".config/condor_futures/profiles.toml"
    profiles.parent.mkdir(parents=True)
    names = {module.__name__: module for module in IMPORTS}
    names |= {name: getattr(condor_futures, name) for name in condor_futures.__all__}
    collector = (pool.personal.directory / "log/.collector_address").read_text().split()[0]
    return {**names, **own, "Path": Path, "profiles": profiles, "collector": collector}


def told(case: Case, names: dict[str, Any]) -> tuple[str, str]:
    """The exception's class, and its sentence: raised at once, or by the call's future."""
    exec(case.before, names)
    try:
        value = eval(case.code, names)
        error = value.exception(60) if isinstance(value, Future) else None
    except BaseException as raised:
        error = raised
    assert error is not None, f"{case.code} is no mistake"
    return type(error).__name__, str(error)


ALONE = """
import os, sys
from pathlib import Path
from condor_futures import CondorExecutor
exec(os.environ["BEFORE"])
try:
    eval(os.environ["CODE"])
except Exception as error:
    print(type(error).__name__, error, sep="\\n", end="")
"""


def told_alone(case: Case, directory: Path, config: Path) -> tuple[str, str]:
    """The same of a process with another environment."""
    wanted = {
        name: value.replace("POOL", str(config)).replace("/home/you", str(directory))
        for name, value in case.environment.items()
    }
    environment = {**os.environ, **wanted, "CODE": case.code, "BEFORE": case.before}
    done = subprocess.run(
        [sys.executable, "-c", ALONE], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    kind, _, message = done.stdout.partition("\n")
    assert kind, done.stderr
    return kind, message


def told_by_command(case: Case, names: dict[str, Any]) -> tuple[str, str]:
    """What the command line says, and exits with."""
    exec(case.before, names)
    command = [sys.executable, "-m", "condor_futures.cli", *shlex.split(case.code)[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    kind, _, message = done.stderr.strip().partition(": ")
    return kind, message


def anywhere(message: str, directory: Path, code: str) -> str:
    """The sentence, in one line, without what is this machine's; a session's id that the user wrote is left."""
    message = re.sub(
        r"\d{8}-\d{6}-[0-9a-f]{8}", lambda id_: id_[0] if id_[0] in code else "20261121-104523-1a2b3c4d", message
    )
    for found, stands_for in (
        (re.escape(str(directory)), "/home/you"),
        (re.escape(os.environ["XDG_STATE_HOME"]), "/home/you/.local/state"),
        (re.escape(str(Path(condor_futures.__file__).parent)), "/usr/lib/python3/condor_futures"),
        (re.escape(os.uname().nodename), "ap.example.org"),
        (r"\w+@ap\.example\.org", "ap.example.org"),
        (r"<127\.0\.0\.1:\d+[^>]*>", "<cm.example.org:9618>"),
        (r"the process \d+", "the process 4711"),
        (r"personal pool in \S+", "personal pool in /home/you/.local/state/condor_futures/pools/personal"),
    ):
        message = re.sub(found, stands_for, message)
    return re.sub(r"\s*\n\s*", " ", message)


def check(case: Case, kind: str, message: str, directory: Path) -> None:
    """It is the right exception, with one clear sentence, which is the one that the documentation has."""
    sentence = anywhere(message, directory, case.code)
    assert kind == case.error, sentence
    assert case.names in sentence, sentence
    assert 15 < len(sentence) < (700 if kind == "AccessPointError" else 400), sentence  # (HTCondor's words are many)
    assert not re.search(r"Traceback|Error: .*Error: |object at 0x", sentence), sentence
    assert case.error == "ShellError" or "\n" not in message, sentence
    if "BAD_INPUT_WRITE" in os.environ:
        record = {**bad_input.recorded(), case.key: sentence}
        order = [known.key for known in (*CASES, *LATER_CASES)]
        record = {key: record[key] for key in order if key in record}
        bad_input.RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    # Python's own words, and HTCondor's, differ from version to version.
    words = re.compile(
        r"(cannot be pickled:|the access point refused the job:|is not valid TOML:|the submit file a\.sub:).*"
    )
    assert words.sub(r"\1", sentence) == words.sub(r"\1", bad_input.recorded()[case.key])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_bad_input_is_told_before_anything_is_submitted(case, room, pool, tmp_path):
    if case.environment:
        kind, message = told_alone(case, tmp_path, pool.personal.config_file)
    elif case.code.startswith("condor-futures"):
        kind, message = told_by_command(case, room)
    else:
        kind, message = told(case, room)
    check(case, kind, message, tmp_path)


@pytest.mark.parametrize("case", LATER_CASES, ids=lambda case: case.key)
def test_bad_input_that_no_client_can_know_of_is_told_by_the_future(case, own, room, tmp_path):
    own["later"] += 2  # a submission that is refused may use up a cluster, and is made once more
    kind, message = told(case, room)
    check(case, kind, message, tmp_path)


def test_there_are_enough_of_them():
    """At least 60 kinds; each once."""
    keys = [case.key for case in (*CASES, *LATER_CASES)]
    assert len(set(keys)) == len(keys) >= 60
    assert list(bad_input.recorded()) == keys
