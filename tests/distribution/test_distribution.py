"""The distributions are built as for a release. The wheel is installed into an empty environment, and used there."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import condor_futures

ROOT = Path(__file__).parents[2]
VERSION = condor_futures.__version__


def run(*command, cwd, status=0):
    """Run a program that imports nothing of this checkout; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The directory with wheel and sdist; the wheel is built from the sdist."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, ROOT, cwd=directory)
    return directory


@pytest.fixture(scope="module")
def environment(built, tmp_path_factory):
    """A new environment in which only the wheel and what it requires are installed."""
    directory = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", directory, cwd=directory)
    pip = sys.executable, "-m", "pip", "--python", directory / "bin/python"
    quiet = "--quiet", "--disable-pip-version-check", "--no-compile"
    run(*pip, "install", *quiet, built / f"condor_futures-{VERSION}-py3-none-any.whl", cwd=directory)
    return directory


def test_the_distributions_are_as_an_index_wants_them(built):
    files = sorted(built.iterdir())
    assert [file.name for file in files] == [
        f"condor_futures-{VERSION}-py3-none-any.whl",
        f"condor_futures-{VERSION}.tar.gz",
    ]
    run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=built)


def test_the_sdist_has_what_the_tests_and_the_documentation_need(built):
    with tarfile.open(built / f"condor_futures-{VERSION}.tar.gz") as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert names.issuperset({"LICENSE", "CHANGELOG.md", "CITATION.cff", "run"})
    assert names.issuperset({"docs/conf.py", "tests/conftest.py", "examples/digits_sweep.py"})


def test_the_command_line_runs_from_the_wheel(environment, tmp_path):
    program = environment / "bin/condor-futures"
    assert run(program, "--version", cwd=tmp_path) == f"condor-futures {VERSION}\n"
    assert "cern" in run(program, "profiles", cwd=tmp_path)
    # The demonstration needs an extra, and says so.
    assert "condor-futures[demo]" in run(program, "demo", cwd=tmp_path, status=1)


def test_the_package_and_its_demonstration_are_in_the_wheel(environment, tmp_path):
    code = """if True:
        import compileall, pathlib, sys
        import condor_futures, condor_futures.dag, condor_futures.doctor, condor_futures.progress
        from condor_futures.cli.demo import _example
        assert pathlib.Path(condor_futures.__file__).is_relative_to(sys.prefix)
        script = _example("digits_sweep.py")
        assert script.is_relative_to(sys.prefix)
        compile(script.read_text(), script, "exec")
        assert (pathlib.Path(condor_futures.__file__).parent / "py.typed").exists()
        dag = condor_futures.DagExecutor("work", "dag")
        future = dag.submit(pow, 2, 10)
        dag.run(local=True)
        print(future.result())
        dag.shutdown()
    """
    assert run(environment / "bin/python", "-c", code, cwd=tmp_path) == "1024\n"


def test_the_versions_agree():
    """Of the package, the changelog and the citation."""
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {VERSION}\n" in citation
    date = citation.partition('date-released: "')[2][:10]
    assert f"\n## {VERSION} - {date}\n" in (ROOT / "CHANGELOG.md").read_text()
