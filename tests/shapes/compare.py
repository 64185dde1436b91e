"""The end of a script: prints what each call of CALLS gives, in a process pool, and in one job without HTCondor."""

import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def outcome(error, value):
    return repr(value) if error is None else f"{error!r} {vars(error)}"


def in_a_pool(calls):
    with ProcessPoolExecutor(1, get_context("fork")) as executor:
        futures = [executor.submit(function, *args) for _, function, *args in calls]
        return [outcome(future.exception(), future.exception() or future.result()) for future in futures]


def in_a_job(calls):
    """Make the calls in one job, as an executor does, in a directory of its own, with a Python of its own."""
    from sandbox import Sandbox

    with tempfile.TemporaryDirectory() as directory:
        results = Sandbox(Path(directory)).run_as_shipped(*((function, *args) for _, function, *args in calls))
    return [outcome(one if isinstance(one, Exception) else None, one) for one in results]


def compare(calls):
    names = [name for name, *_ in calls]
    json.dump([*zip(names, in_a_pool(calls), in_a_job(calls), strict=True)], sys.stdout)
