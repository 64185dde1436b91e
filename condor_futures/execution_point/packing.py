"""The jobs' executable: the modules of this folder that run in a job, and what they need, packed into one file."""

from __future__ import annotations

import importlib.util
import io
import marshal
import shlex
import sys
import zipfile
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

import cloudpickle

from condor_futures.execution_point.supervisor import BOOT

__all__ = ["pack_runner"]

#: What the jobs' Python may be: this one, where it is installed in the same place; or else one of its minor version,
#: which may be called so, or not.
PYTHONS: Sequence[str] = (sys.executable, f"python{sys.version_info[0]}.{sys.version_info[1]}", "python3")

_HEADER = """\
#!/bin/sh
: >> "$1.outcomes"
for python in {pythons}; do
    command -v "$python" > /dev/null 2>&1 && exec "$python" -c '{boot}' "$0" "$1"
done
echo "no Python on this execution point: tried" {pythons} >&2
exit 127
"""


def pack_runner(pythons: Sequence[str] | None = None) -> bytes:
    r"""The jobs' executable: a few lines of shell that find a Python, then a zip file that this Python imports from.

    Args:
        pythons: of which the first that the execution point has is taken; by default :data:`PYTHONS`.

    A zip file may have anything before it (the ``zipapp`` module documents it), so one file serves: HTCondor
    spools an executable once per cluster, but every input file once per job. The shell
    first makes the file of outcomes: where there is no Python, the job then ends with status 127 and its reason on
    stderr, rather than on hold for a missing output file.

    >>> pack_runner(["python3"]).startswith(b'#!/bin/sh\n: >> "$1.outcomes"\nfor python in python3; do')
    True

    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:

        def add(name: str, path: Path, *parts: str) -> None:
            file.write(path, f"{name}.py")
            file.writestr(f"{name}.pyc", _bytecode(path, parts))

        here = Path(__file__).parent
        for name in _PARTS:  # as source only, for tracebacks, and for a Python that the bytecode is not for
            file.write(here / f"{name}.py", f"{_PACKAGE}/{name}.py")
        add(f"{_PACKAGE}/__init__", here / "__init__.py", *_PARTS)
        add(f"{_PACKAGE}/shell", here / "shell.py")
        for path in Path(cloudpickle.__file__).parent.glob("*.py"):
            add(f"cloudpickle/{path.stem}", path)
    header = _HEADER.format(boot=BOOT, pythons=" ".join(map(shlex.quote, pythons or PYTHONS)))
    return header.encode() + archive.getvalue()


_PACKAGE = "condor_futures_execution_point"

#: The modules that every job needs, each after those that it imports.
_PARTS = ("frames", "bundle", "shipped_modules", "unpickling", "child", "supervisor")

#: What is added to the package's own code, to make modules of their bytecode, which takes the place of the constant.
#: Six imports from the zip file would cost each job 0.6 ms of 18, where these cost 0.2 ms (``benchmarks/start.py``).
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
    """Compiled for this Python, marked as not to be checked against its source (PEP 552); others ignore it.

    Compiling cloudpickle anew in every job would cost 50 ms each.

    Args:
        path: the source.
        parts: modules beside it that its bytecode makes too, each after those that it imports.

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
