"""Python environments for the tests: small ones, with a module that the client does not have."""

from __future__ import annotations

import importlib.util
import json
import platform
import shlex
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
#: A module of the environments; its ANSWER is 42.
MODULE = "only_in_the_environment"


def make_venv(path: Path, answer: int = 42) -> Path:
    """Make a venv without pip that has the module."""
    venv.create(path, symlinks=True)
    (path / "lib" / f"python{VERSION}" / "site-packages" / f"{MODULE}.py").write_text(f"ANSWER = {answer}\n")
    return path


def venv_pack(directory: Path, target: Path) -> Path:
    """Pack a venv with venv-pack."""
    if importlib.util.find_spec("venv_pack") is None:
        pytest.skip("venv-pack is not installed")
    pack = [sys.executable, "-m", "venv_pack", "--quiet", "--prefix", str(directory), "--output", str(target)]
    subprocess.run(pack, check=True)
    return target


def make_conda(path: Path, *, version: str = VERSION, says: str | None = None) -> Path:
    """Make a directory that looks like what conda-pack packs.

    ``bin/conda-unpack`` appends its place to the file ``unpacked`` of the environment.

    Args:
        path: the directory.
        version: the version of Python that the files tell.
        says: the version that its Python tells. It is a script that runs the Python of this process.

    """
    library = path / "lib" / f"python{version}" / "site-packages"
    for directory in (path / "bin", path / "conda-meta", path / "etc" / "conda" / "activate.d", library):
        directory.mkdir(parents=True)
    real = shlex.quote(sys._base_executable)
    if says is not None:
        number = tuple(map(int, says.split(".")))
        (library / "sitecustomize.py").write_text(f"import sys\nsys.version_info = (*{number}, 1, 'final', 0)\n")
    for name, text in {
        "python": f'#!/bin/sh\nPYTHONPATH="${{0%/bin/*}}/lib/python{version}/site-packages" exec {real} "$@"\n',
        "conda-unpack": "#!/usr/bin/env python\n"
        "import os\nplace = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n"
        "print(place, file=open(os.path.join(place, 'unpacked'), 'a'))\n",
    }.items():
        (path / "bin" / name).write_text(text)
        (path / "bin" / name).chmod(0o755)
    (path / "etc/conda/activate.d/data.sh").write_text("export TEST_DATA=$CONDA_PREFIX/share\necho activated\n")
    about = {"name": "python", "version": f"{version}.1", "subdir": f"linux-{conda_machine()}"}
    (path / "conda-meta" / f"python-{version}.1-h0_0.json").write_text(json.dumps(about))
    (library / f"{MODULE}.py").write_text("ANSWER = 42\n")
    return path


def conda_machine() -> str:
    """What conda calls the processor of this machine."""
    return {"x86_64": "64"}.get(platform.machine(), platform.machine())


def pack(directory: Path, target: Path, inside: str = "") -> Path:
    """Pack a directory; its files are in the directory *inside* of the archive."""
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(directory.rglob("*")):
            archive.add(path, str(Path(inside) / path.relative_to(directory)), recursive=False)
    return target
