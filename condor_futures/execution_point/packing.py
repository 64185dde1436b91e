"""The jobs' executable: the runner, and what it needs, packed into one file."""

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

import cloudpickle

from condor_futures.execution_point import runner, shell

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
        package = Path(cloudpickle.__file__).parent
        sources = {_RUNNER: Path(runner.__file__), "condor_futures_shell": Path(shell.__file__)}
        sources.update({f"cloudpickle/{path.stem}": path for path in package.glob("*.py")})
        for name, path in sources.items():
            file.write(path, f"{name}.py")
            file.writestr(f"{name}.pyc", _bytecode(path))
    header = _HEADER.format(boot=runner.BOOT, pythons=" ".join(map(shlex.quote, pythons or PYTHONS)))
    return header.encode() + archive.getvalue()


_RUNNER = "condor_futures_runner"


def _bytecode(path: Path) -> bytes:
    """Compiled for this Python, marked as not to be checked against its source (PEP 552); others ignore it.

    Compiling cloudpickle anew in every job would cost 50 ms each.
    """
    loader = SourceFileLoader(path.stem, str(path))
    code = loader.get_code(path.stem)
    flags = (0b01).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + bytes(8) + marshal.dumps(code)
