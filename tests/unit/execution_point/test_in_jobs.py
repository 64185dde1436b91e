"""The package in a job: it needs neither HTCondor's bindings nor an installed package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sandbox import PYTHON

import condor_futures
from condor_futures.execution_point.packing import pack_runner


def run(tmp_path, text, *places, python=PYTHON):
    packed = tmp_path / "runner"
    packed.write_bytes(pack_runner(["python3"]))
    text = f"import sys\nsys.path[:0] = sys.argv[1:]\n{text}"
    done = subprocess.run(
        [python, "-I", "-c", text, str(packed), *map(str, places)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr.strip().rpartition("\n")[2]


def test_all_public_names_can_be_imported_alone(tmp_path):
    """A script imports them at its top; only what is used is missed."""
    names = ", ".join(condor_futures.__all__)
    text = f"""
from condor_futures import {names}
from condor_futures.errors import JobHeldError as Held
assert issubclass(JobHeldError, JobError) and Held is JobHeldError
assert report(0.5) is None and shell("true")().stdout == ""
class Own(CondorExecutor): pass
def function(executor: CondorExecutor | None, future: "CondorFuture[int]") -> CondorFuture[int]: ...
print(isinstance(3, CondorFuture), "htcondor2" in sys.modules, CondorExecutor)
CondorExecutor(access_point="personal")
"""
    printed = run(tmp_path, text)
    assert printed == (
        "False False condor_futures.CondorExecutor\n"
        "RuntimeError: condor_futures.CondorExecutor cannot be used in this job, where condor_futures is not installed"
    )


def test_the_modules_of_the_package_can_be_imported_too(tmp_path):
    """A script imports them at its top, for its own process."""
    text = """
import condor_futures.personal.release
from condor_futures.progress import progress
from condor_futures.personal import PersonalPool as Pool
from condor_futures.errors import JobError
assert JobError.__name__ == "JobError"
def function(pool: Pool | None = None): ...
print(progress, Pool, isinstance(3, Pool))
try:
    import condor_futures_of_others
except ImportError:
    print("others are not found")
progress([])
"""
    assert run(tmp_path, text) == (
        "condor_futures.progress.progress condor_futures.personal.PersonalPool False\n"
        "others are not found\n"
        "RuntimeError: condor_futures.progress.progress cannot be used in this job, "
        "where condor_futures is not installed"
    )


def test_a_directory_of_the_same_name_is_not_the_package(tmp_path):
    """Such as one that a call makes for its output."""
    (tmp_path / "there/condor_futures").mkdir(parents=True)
    text = "from condor_futures import CondorExecutor\nCondorExecutor()"
    assert "where condor_futures is not installed" in run(tmp_path, text, tmp_path / "there")


def test_a_module_of_an_installed_package_is_used_when_a_part_of_it_is(tmp_path):
    pytest.importorskip("htcondor2")
    text = """
from condor_futures.sessions import sessions
print("htcondor2" in sys.modules, type(sessions()))
print(sys.modules["condor_futures.sessions"].__file__.startswith(sys.argv[2]))
"""
    printed = run(tmp_path, text, Path(condor_futures.__file__).parents[1], python=sys.executable)
    assert printed == "False <class 'list'>\nTrue\n"


def test_an_installed_package_is_used_when_a_part_of_it_is(tmp_path):
    pytest.importorskip("htcondor2")
    text = """
from condor_futures import CondorExecutor, JobError
print("htcondor2" in sys.modules)
try:
    CondorExecutor(no_such_command=3)
except TypeError as error:
    print(error)
import condor_futures
print(condor_futures.__file__.startswith(sys.argv[2]), issubclass(condor_futures.JobError, Exception))
"""
    lines = run(tmp_path, text, Path(condor_futures.__file__).parents[1], python=sys.executable).splitlines()
    assert lines[0] == "False"
    assert lines[1].startswith("there is no submit command 'no_such_command'")
    assert lines[2] == "True True"


def test_names_that_the_package_does_not_have_either(tmp_path):
    assert "AttributeError" in run(tmp_path, "import condor_futures\ncondor_futures.__no_such_name__")
