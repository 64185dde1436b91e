"""The first lines of a job's executable: they unpack the environment, and choose the Python."""

import importlib
import os
import shutil
from pathlib import Path

import pytest
from environments import MODULE, VERSION, make_conda, make_venv, pack
from sandbox import PYTHON

from condor_futures.errors import PythonMismatchError

pytestmark = pytest.mark.usefixtures("by_value")

HERE = ".condor_futures_environment"


def look() -> tuple:
    """Return what a call sees of the environment."""
    module = importlib.import_module(MODULE)
    names = "CONDA_PREFIX", "VIRTUAL_ENV", "TEST_DATA", "PYTHONHOME"
    found = shutil.which("python")
    return module.ANSWER, module.__file__, found, *(os.environ.get(name) for name in names)


def run(job, archive: Path, *calls, **environment):
    """Make calls in a job that got *archive* as an input file."""
    if archive.parent != job.path:
        shutil.copy(archive, job.path)
    job.write(*calls, environment=archive)
    job.finish(arguments=[archive.name], PYTHONPATH="", **environment)
    return job.results()


@pytest.mark.parametrize("inside", ["", "env"])
def test_venv(job, tmp_path, inside):
    """The archive may have the environment in a directory."""
    archive = pack(make_venv(tmp_path / "env"), tmp_path / "0.tar", inside)
    root = job.path / HERE / inside
    ((answer, file, python, conda, venv, *_),) = run(job, archive, (look,), PYTHONHOME="/no/such")
    assert (answer, file) == (42, f"{root}/lib/python{VERSION}/site-packages/{MODULE}.py")
    assert (Path(python).parent, conda, venv) == (root / "bin", None, str(root))


def test_conda(job, tmp_path):
    """conda-unpack adapts the files once. Scripts of packages set variables; what they print is not of the call."""
    archive = pack(make_conda(tmp_path / "env"), tmp_path / "0.tar")
    root = str(job.path / HERE)
    (first, second) = run(job, archive, (look,), (look,))
    assert first == second == (42, first[1], f"{root}/bin/python", root, None, f"{root}/share", None)
    assert (Path(root) / "unpacked").read_text() == f"{root}\n"
    assert (job.path / "stdout").read_text() == ""
    assert "activated" in job.stderr


def test_pixi(job, tmp_path):
    """What pixi-pack makes installs itself, or comes with the program that installs it."""
    made = make_conda(tmp_path / "env")
    (made / "bin" / "conda-unpack").unlink()
    unpack = f'[ "$1 $2" = "-q -o" ] || exit 9\ncp -R {made} "$3/env"\n'
    (job.path / "0.sh").write_text(f"#!/usr/bin/env bash\n{unpack}exit 0\n@@END_HEADER@@\n\0\0\n")
    assert run(job, job.path / "0.sh", (look,))[0][3] == str(job.path / HERE / "env")
    both = tmp_path / "both"
    both.mkdir()
    (both / "environment.tar").write_text("")
    (both / "pixi-unpack").write_text(f"#!/bin/sh\n{unpack}")
    (both / "pixi-unpack").chmod(0o755)
    assert run(job, pack(both, tmp_path / "1.tar"), (look,))[0][3] == str(job.path / HERE / "env")


def test_archive_that_is_not_transferred(job, tmp_path):
    """The job reads it in the session's directory, whose name may have any characters."""
    place = tmp_path / "it's a place"
    place.mkdir()
    pack(make_venv(tmp_path / "env"), place / "0.tar")
    job.install([PYTHON], environments=place)
    job.write((look,), environment=tmp_path)
    job.finish(arguments=["0.tar"], _CONDOR_SCRATCH_DIR=str(tmp_path), PYTHONPATH="")
    assert job.results()[0][4] == str(tmp_path / HERE)


def refusal(job, archive, **environment) -> str:
    """Return why each call fails."""
    first, second = run(job, archive, (pow, 2, 2), (pow, 2, 3), **environment)
    assert isinstance(first, PythonMismatchError)
    assert str(first) == str(second)
    assert str(archive) in str(first)
    return str(first)


def test_other_version(job, tmp_path):
    """No other Python is used, although there is one."""
    made = make_conda(tmp_path / "env", says="3.8")
    said = refusal(job, pack(made, tmp_path / "0.tar"))
    assert f"has Python 3.8, but the client runs Python {VERSION}; make it with Python {VERSION}" in said
    assert job.status == 0


def test_python_that_does_not_run_here(job, tmp_path):
    """As of another processor, or of a newer C library."""
    made = make_venv(tmp_path / "env")
    for path in (made / "bin").glob("python*"):
        path.unlink()
    (made / "bin" / "python").write_bytes(b"\x7fELF\x02\x01".ljust(300, b"\1"))
    (made / "bin" / "python").chmod(0o755)
    assert "its Python does not run on this machine" in refusal(job, pack(made, tmp_path / "0.tar"))
    assert job.status == 3
    (made / "bin" / "python").write_text("#!/bin/sh\necho version GLIBC_2.99 not found >&2\nexit 1\n")
    assert "version GLIBC_2.99 not found (its Python" in refusal(job, pack(made, tmp_path / "0.tar"))


def test_python_of_a_venv_that_is_not_there(job, tmp_path):
    made = make_venv(tmp_path / "env")
    for path in (made / "bin").glob("python*"):
        path.unlink()
    (made / "bin" / "python").symlink_to("python3")
    (made / "bin" / "python3").symlink_to("/opt/no/python3")
    said = refusal(job, pack(made, tmp_path / "0.tar"))
    assert "it has no Python: /opt/no/python3 does not exist here" in said


def test_archive_that_cannot_be_unpacked(job, tmp_path):
    """What was unpacked is removed. Any Python reports it; without any, the job's output does."""
    (tmp_path / "0.tar").write_bytes(b"not an archive")
    assert "cannot be used on the execution point" in refusal(job, tmp_path / "0.tar")
    assert not (job.path / HERE).exists()
    job.install(["/no/such/python"])
    job.write((pow, 2, 2), environment=tmp_path)
    assert job.finish(arguments=["0.tar"]) == 127
    assert "the environment 0.tar cannot be used: " in job.stderr


def test_conda_unpack_without_a_program_called_python(job, tmp_path):
    """It is a script of Python, or any other program."""
    made = make_conda(tmp_path / "env")
    (made / "bin" / "python").rename(made / "bin" / "python3")
    assert run(job, pack(made, tmp_path / "0.tar"), (look,))[0][0] == 42
    assert (job.path / HERE / "unpacked").read_text() == f"{job.path / HERE}\n"
    (made / "bin" / "conda-unpack").write_text('#!/bin/sh\ntouch "${0%/bin/*}"/other\n')
    assert run(job, pack(made, tmp_path / "0.tar"), (look,))[0][0] == 42
    assert (job.path / HERE / "other").exists()


def test_conda_unpack_that_fails(job, tmp_path):
    made = make_conda(tmp_path / "env")
    (made / "bin" / "conda-unpack").write_text("#!/bin/sh\necho no room\nexit 1\n")
    assert "cannot be used on the execution point" in (said := refusal(job, pack(made, tmp_path / "0.tar")))
    assert "no room" in said
