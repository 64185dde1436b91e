"""What is defined in the main program has in a job the values that it has in a process pool."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import condor_futures
from condor_futures.execution_point import by_value

TESTS = Path(__file__).parents[2]
SHAPES = TESTS / "shapes"
sys.path.insert(0, str(SHAPES))
from definitions import CALLS  # noqa: E402

NAMES = [name for name, *_ in CALLS]


def run(*command, text=None, directory=SHAPES):
    path = [str(TESTS), str(SHAPES), str(Path(condor_futures.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        input=text,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def compared():
    """Run the definitions as a script without a guard: it is pickled by value."""
    text = (SHAPES / "definitions.py").read_text() + "\nfrom compare import compare\ncompare(CALLS)\n"
    return {name: (pool, job) for name, pool, job in json.loads(run("-", text=text))}


@pytest.mark.parametrize("name", NAMES)
def test_a_call_has_the_value_of_a_process_pool(name):
    """The process pool's workers are forked: they have all objects of the script."""
    pool, job = compared()[name]
    assert job == pool


def test_a_static_method_is_pickled_by_its_name():
    """A pickle of it, made in a call, would not be of the function that its class has."""
    function = importlib.metadata.Prepared.normalize
    data = by_value.dumps(function, 5)
    assert b"Prepared.normalize" in data
    assert pickle.loads(data) is function
    assert len(data) == len(pickle.dumps(function, 5))
