"""The executable of a job."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest
from sandbox import (
    PYTHON,
)

from condor_futures.execution_point import packing
from condor_futures.execution_point.packing import pack_runner

pytestmark = pytest.mark.usefixtures("by_value")


def test_first_python_that_is_there_is_taken(job):
    job.install(["no-such-python", "/no/such/python", PYTHON])
    assert job.run((pow, 2, 2)) == [4]


def test_no_python_at_all(job):
    """The job ends with status 127, a message on standard error, and an outcome file, so that it is not held."""
    job.install(["no-such-python", "/no/such/python"])
    job.write((pow, 2, 2))
    assert job.finish() == 127
    assert job.stderr == "no Python on this execution point: tried no-such-python /no/such/python\n"
    assert job.outcomes_file.read_bytes() == b""
    assert job.outcomes() == {}


HERE = Path(packing.__file__).parent
TRAVELLING = [
    "__init__",
    "bundle",
    "by_value",
    "checkpoints",
    "child",
    "code",
    "exchange",
    "fetching",
    "forking",
    "frames",
    "line",
    "main_module",
    "rebuilding",
    "reporting",
    "shell",
    "stacks",
    "streaming",
    "supervisor",
    "unpickling",
    "warm",
]


def test_all_modules_but_this_one_travel():
    assert sorted(path.stem for path in HERE.glob("*.py")) == sorted([*TRAVELLING, "in_jobs", "packing"])


@pytest.mark.parametrize("name", TRAVELLING)
def test_syntax_is_that_of_python_3_6(name):
    """An old Python must get as far as saying that it is too old."""
    ast.parse((HERE / f"{name}.py").read_text(), feature_version=(3, 6))


@pytest.mark.parametrize("name", TRAVELLING)
def test_modules_import_only_the_standard_library(name):
    """They also import each other and cloudpickle, which travels along.

    The test finds imports at any place in a file.
    """
    imported = set()
    for statement in ast.walk(ast.parse((HERE / f"{name}.py").read_text())):
        if isinstance(statement, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.level:
            assert statement.level == 1
            assert {statement.module} <= set(TRAVELLING) or {alias.name for alias in statement.names} <= set(TRAVELLING)
        elif isinstance(statement, ast.ImportFrom):
            imported.add(statement.module.partition(".")[0])
    assert imported - sys.stdlib_module_names <= {"cloudpickle"}


def test_modules_can_be_imported_alone(tmp_path):
    """They import without site-packages, our package or the environment, and load little of the library."""
    (tmp_path / "the_job").mkdir()
    for name in TRAVELLING:
        shutil.copy(HERE / f"{name}.py", tmp_path / "the_job")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import the_job.supervisor;"
        "print(*sorted({'condor_futures', 'cloudpickle', 'typing', 'pathlib', 'subprocess'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def run_with(packed: Path, code: str) -> str:
    """Return the output of *code* in a Python that has only the packed file."""
    packed.write_bytes(pack_runner(["python3"]))
    code = "import sys; sys.path[:0] = sys.argv[1:]\n" + code
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(packed)], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_packed_runner_is_whole_wherever_python_finds_it(tmp_path):
    """The file has the modules and the client's cloudpickle: the execution point needs neither."""
    code = "from condor_futures_execution_point import supervisor; import cloudpickle;"
    code += "print(cloudpickle.__version__, supervisor.__file__, cloudpickle.__file__)"
    version, *files = run_with(tmp_path / "runner", code).split()
    assert version == cloudpickle.__version__
    assert all(file.startswith(str(tmp_path / "runner")) for file in files)


@pytest.mark.parametrize("name", sorted({*TRAVELLING} - {"__init__"}))
def test_modules_that_are_made_of_bytecode_are_as_those_that_are_imported(tmp_path, name):
    """A traceback also finds their source lines, although the execution point has no such file."""
    package = "condor_futures_execution_point"
    made, imported, source = run_with(
        tmp_path / "runner",
        f"""
import {package}
from {package} import {name} as it
from importlib.util import find_spec

def describe(spec):
    return spec.name, spec.parent, type(spec.loader), spec.loader.archive, spec.loader.prefix

assert sys.modules.pop(it.__name__) is {package}.{name} is it
assert it.__loader__ is it.__spec__.loader
print(*describe(it.__spec__), it.__package__, it.__file__.rpartition(".")[0], sep=", ")
spec = find_spec(it.__name__)
print(*describe(spec), spec.parent, spec.origin.rpartition(".")[0], sep=", ")
print(it.__loader__.get_source(it.__name__), end="")
""",
    ).split("\n", 2)
    assert made == imported
    assert source == (HERE / f"{name}.py").read_text()
