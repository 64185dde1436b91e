"""The client's modules are unpacked in a job when the first of them is imported."""

from __future__ import annotations

import marshal
import os
import sys
import zlib
from pathlib import Path

import pytest
from sandbox import BUNDLE, PYTHON, SECRET, SESSION

from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.pickling import pickle_object
from condor_futures.options.ship import Code

pytestmark = pytest.mark.usefixtures("by_value")

FILES = {"mine/__init__.py": b"X = 3\n", "mine/run.sh": b"#!/bin/sh\necho run\n"}


def run(job, *calls):
    modules = marshal.dumps({name: (content, name.endswith(".sh")) for name, content in FILES.items()})
    job.install([PYTHON], modules=zlib.compress(modules))
    made = [
        Call(f"c{number:06d}", pickle_object(fn, "function"), pickle_object((tuple(args), {}), "arguments"))
        for number, (fn, *args) in enumerate(calls)
    ]
    with (job.path / f"{BUNDLE}.calls").open("wb") as file:
        write_bundle(file, made, session=SESSION, bundle=BUNDLE, secret=SECRET, code=Code("0", ("mine",)))
    job.finish(_CONDOR_SCRATCH_DIR=str(job.path))
    return job.results()


def is_there():
    return Path(".condor_futures_code").is_dir()


def import_it():
    import subprocess

    import mine

    text = subprocess.check_output([Path(mine.__file__).with_name("run.sh")], text=True)
    return mine.X, text, sys.path.count(str(Path(".condor_futures_code").absolute()))


def crash():
    os._exit(3)


def test_modules_are_unpacked_when_one_is_imported_and_not_before(job):
    results = run(job, (is_there,), (import_it,), (is_there,), (import_it,))
    assert results == [False, (3, "run\n", 1), True, (3, "run\n", 1)]


def test_a_process_after_a_crash_finds_them_unpacked(job):
    before, error, after = run(job, (import_it,), (crash,), (import_it,))
    assert before == after == (3, "run\n", 1)
    assert "exited" in str(error) or error is not None


def import_in_processes():
    import multiprocessing
    import pkgutil

    with multiprocessing.get_context("fork").Pool(4) as pool:
        return pool.map(pkgutil.resolve_name, ["mine:X"] * 20, chunksize=1)


def test_processes_that_a_call_starts_may_unpack_at_once(job):
    assert run(job, (import_in_processes,)) == [[3] * 20]
    assert [path.name for path in job.path.glob(".condor_futures_code*")] == [".condor_futures_code"]
