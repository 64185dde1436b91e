"""Packs the jobs' executable: the modules of this folder that run in a job, and cloudpickle, in one file."""

from __future__ import annotations

import importlib.util
import io
import marshal
import os
import shlex
import sys
import zipfile
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

import cloudpickle

from condor_futures.execution_point.code import MEMBER
from condor_futures.execution_point.supervisor import BOOT

__all__ = ["pack_runner"]

#: Candidates for the jobs' Python: this one, if it is installed at the same path; or else one of its minor version,
#: under its name with or without the version.
PYTHONS: Sequence[str] = (sys.executable, f"python{sys.version_info[0]}.{sys.version_info[1]}", "python3")


def pack_runner(
    pythons: Sequence[str] | None = None, *, modules: bytes | None = None, environments: Path | None = None
) -> bytes:
    r"""Return the jobs' executable: shell commands that find a Python, then a zip file that this Python imports from.

    Args:
        pythons: candidates, of which the first that exists on the execution point is used; by default :data:`PYTHONS`.
        modules: modules of the client, in the form that :mod:`condor_futures.execution_point.code` unpacks.
        environments: the directory on the client that has the archives of Python environments. A job that has such an
            archive, its second argument, and did not get the file, reads it there. The Python of the archive is the
            only one that makes its calls.

    One file is enough, because other data may precede a zip file (see the documentation of ``zipapp``). HTCondor spools
    an executable once per cluster, but an input file once per job.

    The shell first creates the outcome file. So a job without Python exits with status 127 and the reason on stderr,
    instead of going on hold because an output file is missing.

    >>> b'for python in python3; do' in pack_runner(["python3"])
    True

    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:

        def add(name: str, path: Path, *parts: str) -> None:
            file.write(path, f"{name}.py")
            file.writestr(f"{name}.pyc", _bytecode(path, parts))

        here = Path(__file__).parent
        for name in _PARTS:  # the source only, for tracebacks, and for Python versions that cannot use the bytecode
            file.write(here / f"{name}.py", f"{_PACKAGE}/{name}.py")
        add(f"{_PACKAGE}/__init__", here / "__init__.py", *_PARTS)
        for name in _WHERE_NEEDED:
            add(f"{_PACKAGE}/{name}", here / f"{name}.py")
        add("condor_futures/__init__", here / "in_jobs.py")
        assert _ERRORS is not None
        add("condor_futures/errors", Path(str(_ERRORS.origin)))
        if modules is not None:
            file.writestr(MEMBER, modules)
        for path in Path(cloudpickle.__file__).parent.glob("*.py"):
            add(f"cloudpickle/{path.stem}", path)
    header = (here / "runner.sh").read_text("utf-8")
    for name, text in {
        "environments": shlex.quote(str(environments or "/")),
        "boot": BOOT,
        "pythons": " ".join(map(shlex.quote, pythons or PYTHONS)),
    }.items():
        header = header.replace(f"@{name}@", text)
    return os.fsencode(header) + archive.getvalue()


_ERRORS = importlib.util.find_spec("condor_futures.errors")
_PACKAGE = "condor_futures_execution_point"

#: The modules that every job needs, each after those that it imports.
_PARTS = ("frames", "bundle", "code", "rebuilding", "main_module", "unpickling", "child", "forking", "supervisor")
#: The modules that are imported where they are needed.
_WHERE_NEEDED = (
    *("by_value", "shell", "reporting", "checkpoints"),
    *("line", "fetching", "exchange", "stacks", "warm", "streaming"),
)

#: Appended to the package's own code: creates the modules from their bytecode, which replaces the constant. Six imports
#: from the zip file would take 0.6 ms of a job's 18 ms; this code takes 0.2 ms (``benchmarks/start.py``).
_MAKE_PARTS = """
import sys
_loader = type(__loader__)(__path__[0])
for _name, _code in "the parts":
    _part = globals()[_name] = sys.modules[__name__ + "." + _name] = type(sys)(__name__ + "." + _name)
    _part.__spec__ = type(__spec__)(_part.__name__, _loader)
    _part.__package__, _part.__loader__, _part.__file__ = __name__, _loader, __path__[0] + "/" + _name + ".py"
    exec(_code, vars(_part))
"""


def _bytecode(path: Path, parts: Sequence[str] = ()) -> bytes:
    """Compile a module for this Python, unchecked against its source (PEP 552). Other versions ignore the bytecode.

    Without it, compiling cloudpickle would take 50 ms in every job.

    Args:
        path: the source.
        parts: modules in the same directory that the bytecode also creates, each after those that it imports.

    """
    code = _compile(path)
    if parts:
        made = tuple((name, _compile(path.with_name(f"{name}.py"))) for name in parts)
        code = compile(path.read_text("utf-8") + _MAKE_PARTS, str(path), "exec", dont_inherit=True)
        code = code.replace(
            co_consts=tuple(made if constant == "the parts" else constant for constant in code.co_consts)
        )
    flags = (0b01).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + bytes(8) + marshal.dumps(code)


def _compile(path: Path) -> CodeType:
    code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
    assert code is not None
    return code
