"""The examples in the docstrings of the public objects work as shown, on a real pool."""

from __future__ import annotations

import doctest
import inspect
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from docstrings import docstrings, run

import condor_futures
from condor_futures import CondorExecutor, DagExecutor, inspection, progress

pytestmark = pytest.mark.pool

INSTALL = "condor_futures.personal.install.install"  # runs where it finds one installed: tests/personal/test_install.py
DOCSTRINGS = {name: test for name, test in docstrings(pool=True).items() if name != INSTALL}


def simulate(seed):
    return 91.2


def fit(spectrum):
    return sum(spectrum) / len(spectrum)


def store(row):
    return None


def clean_up():
    return None


class Unspooled(CondorExecutor):
    """The examples are not about spooling, and take a quarter of the time without it."""

    def __init__(self, *args, spool=False, **options) -> None:
        super().__init__(*args, spool=spool, **options)


class Checker(doctest.OutputChecker):
    """Accepts another job, session, execution point, directory or version than the docstring shows."""

    def __init__(self, release) -> None:
        here, host = re.escape(str(Path.cwd())), re.escape(socket.gethostname())
        self.names = {
            "SESSION": r"\b\d{8}-\d{6}-[0-9a-f]{8}\b",
            "DIRECTORY": rf"/home/me\b|{here}",
            # (The environment decides which installation is found.)
            "VERSION": rf"\b25\.14\.1\b|{re.escape(release.version)}",
            "JOB": r"(?<=')\d+\.0(?=')",
            "HOST": rf"\bep17\b|\b{host}\b",
        }

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        for name, pattern in self.names.items():
            want, got = re.sub(pattern, name, want), re.sub(pattern, name, got)
        return super().check_output(want, got, optionflags)


@pytest.fixture(scope="module")
def shared(pool):
    """The executor for most examples. They have one of their own, because they define categories and long jobs."""
    with Unspooled(access_point="personal", warm=0) as executor:
        yield executor
    assert pool.queue(executor) == []


@pytest.fixture(scope="module")
def ended(shared):
    """The future of a call that has ended."""
    future = shared.submit(pow, 2, 10)
    future.result()
    return future


@pytest.fixture
def namespace(pool, shared, ended, tmp_path, monkeypatch):
    """The names that the examples need: a directory, a site's HTCondor, an executor, a DAG, functions and data."""
    monkeypatch.chdir(tmp_path)
    Path("analysis.sub").write_text("executable = fit\nrequest_memory = 8GB\nrequest_cpus = 1\nqueue 3\n")
    monkeypatch.setenv("CONDOR_CONFIG", str(pool.personal.config_file))
    # There is no Kerberos here, so the user has a profile that does without it.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    profiles = tmp_path / "config" / "condor_futures" / "profiles.toml"
    profiles.parent.mkdir(parents=True)
    profiles.write_text('[cern]\njob_flavour = "espresso"\n')
    names = {
        "__name__": "__main__",
        "CondorExecutor": Unspooled,
        "DagExecutor": DagExecutor,
        "clean_up": clean_up,
        "dag": DagExecutor("analysis", "analysis", access_point="personal"),
        "executor": shared,
        "fit": fit,
        "future": ended,
        "rows": [1, 2],
        "simulate": simulate,
        "spectra": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        "store": store,
        "subprocess": subprocess,
        "time": time,
    }
    yield names
    shared.categories.clear()
    for made in names.values():
        if isinstance(made, DagExecutor):
            made.terminate_workers()
        elif isinstance(made, CondorExecutor) and made._engine is not shared._engine:
            made.shutdown()
    names.clear()  # a session exists as long as its futures


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_examples_do_what_they_say(namespace, release, name):
    run(DOCSTRINGS[name], namespace, Checker(release))


def test_all_that_users_call_has_an_example():
    """Methods and properties of the executors and the future, and functions."""
    functions = [getattr(condor_futures, name) for name in condor_futures.__all__]
    functions += [getattr(module, name) for module in (inspection, progress) for name in module.__all__]
    functions = [function for function in functions if inspect.isfunction(function)]
    functions += [condor_futures.CondorExecutor, condor_futures.CondorFuture, condor_futures.DagExecutor]
    for cls in functions[-3:]:
        members = [member for name, member in vars(cls).items() if not name.startswith("_")]
        # Not those of __slots__, nor a default, which is None.
        members = [member for member in members if member is not None and not inspect.ismemberdescriptor(member)]
        # A property has its function as fget, a class method as __func__.
        functions += [getattr(member, "fget", getattr(member, "__func__", member)) for member in members]
    names = {f"{function.__module__}.{function.__qualname__}" for function in functions}
    examples = docstrings(pool=True) | docstrings(pool=False)
    assert names - set(examples) - {"concurrent.futures._base.wait", "concurrent.futures._base.as_completed"} == set()
