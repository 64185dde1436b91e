"""Other executors that use HTCondor, each in a virtual environment of its own, which is made from PyPI.

A peer's measurement is a script, which the environment's Python runs on the same pool, and which prints JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import work

HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "condor_futures" / "benchmarks"
#: The packages of each peer; the script is PEER.py.
PEERS = {"dask": "dask-jobqueue", "parsl": "parsl"}


def python(peer: str) -> Path:
    """Return the Python of a peer's environment, which is made if there is none."""
    directory = ENVIRONMENTS / f"{peer}-{sys.version_info.major}.{sys.version_info.minor}"
    executable = directory / "bin" / "python"
    complete = directory / "complete"
    if not complete.exists():
        venv.create(directory, clear=True, with_pip=True)
        install = [executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", PEERS[peer]]
        subprocess.run(install, check=True)
        complete.touch()
    return executable


def remove_environments() -> None:
    shutil.rmtree(ENVIRONMENTS, ignore_errors=True)


def version(peer: str) -> str:
    script = f"import importlib.metadata as m; print(m.version({PEERS[peer]!r}))"
    return subprocess.run([python(peer), "-c", script], check=True, capture_output=True, text=True).stdout.strip()


def measure(peer: str, cases: list[str], rounds: int, directory: Path) -> dict[str, Any]:
    """Run a peer's script, and return what it prints, which :func:`work.measure` describes."""
    programs = f"{python(peer).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PATH": programs}
    command = [python(peer), HERE / f"peer_{peer}.py", json.dumps({"cases": cases, "rounds": rounds, "slow": 1})]
    work.wait_for_slots()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f"{peer}.log").open("w") as log:
        done = subprocess.run(
            command, env=environment, cwd=directory, stdout=subprocess.PIPE, stderr=log, check=False, timeout=1800
        )
    if done.returncode:
        raise RuntimeError(f"{peer} failed:\n" + (directory / f"{peer}.log").read_text()[-3000:])
    return json.loads(done.stdout.splitlines()[-1])
