"""The end of a script: prints what each call of CALLS gives, in a process pool, and in one job without HTCondor.

A call is ``(name, function, *arguments)``. A call that a process pool cannot pickle is made in a fork of the script
instead: it has the value that it has here.
"""

import json
import os
import pickle
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType

NO_CHECKS = MappingProxyType({})


def outcome(error, value, check=None):
    """Return a text of what became of a call; *check* looks at its value in the client."""
    if error is not None:
        # An error of a class that cannot be rebuilt from its arguments arrives as another error.
        return re.sub(" at 0x[0-9a-f]+", "", f"{error!r} {vars(error)}")
    text = re.sub(" at 0x[0-9a-f]+", "", repr(value))
    return text if check is None else f"{text} {check(value)}"


def outcomes(futures, calls, checks):
    """Yield the error and the outcome of each call."""
    for future, (name, *_) in zip(futures, calls, strict=True):
        error = future.exception()
        yield error, outcome(error, None) if error is not None else outcome(None, future.result(), checks.get(name))


def in_a_pool(calls, checks=NO_CHECKS, method="fork"):
    """Return the outcome of each call; None if a process pool cannot make it."""
    found, waiting = [], list(calls)
    while waiting:
        with ProcessPoolExecutor(1, get_context(method)) as executor:
            futures = [executor.submit(function, *args) for _, function, *args in waiting]
            for error, text in outcomes(futures, waiting, checks):
                found.append(None if is_of_pickling(error) else text)
                if isinstance(error, BrokenProcessPool):  # the first call that has it is its cause
                    break
        waiting = calls[len(found) :]
    return found


def is_of_pickling(error):
    if isinstance(error, (pickle.PicklingError, BrokenProcessPool)):
        return True
    return isinstance(error, (TypeError, AttributeError)) and ("pickle" in str(error) or "local object" in str(error))


def in_a_fork(calls, checks):
    """Return the outcome of each call in a copy of this process."""
    read, write = os.pipe()
    if not os.fork():
        found = []
        for name, function, *args in calls:
            try:
                found.append(outcome(None, function(*args), checks.get(name)))
            except Exception as error:
                found.append(outcome(error, None))
        with os.fdopen(write, "w") as file:
            json.dump(found, file)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        found = json.load(file)
    os.wait()
    return found


def in_a_job(calls, checks=NO_CHECKS):
    """Make the calls in one job, as an executor does, in a directory of its own, with a Python of its own."""
    from sandbox import Sandbox

    with tempfile.TemporaryDirectory() as directory:
        results = Sandbox(Path(directory)).run_as_shipped(*((function, *args) for _, function, *args in calls))
    return [
        outcome(one, None) if isinstance(one, Exception) else outcome(None, one, checks.get(name))
        for one, (name, *_) in zip(results, calls, strict=True)
    ]


def in_jobs(calls, checks):
    """Make the calls in jobs of the pool that is configured."""
    from condor_futures import CondorExecutor

    with CondorExecutor() as executor:
        futures = [executor.submit(function, *args) for _, function, *args in calls]
        return [text for _, text in outcomes(futures, calls, checks)]


def compare(calls, checks=NO_CHECKS, method="fork"):
    """Print the name of each call, its outcome in a process pool, and its outcome in a job."""
    pool = in_a_pool(calls, checks, method)
    if None in pool:
        here = in_a_fork(calls, checks)
        pool = [one if one is not None else other for one, other in zip(pool, here, strict=True)]
    jobs = in_jobs if "SHAPES_IN_JOBS" in os.environ else in_a_job
    json.dump([*zip([name for name, *_ in calls], pool, jobs(calls, checks), strict=True)], sys.stdout)
