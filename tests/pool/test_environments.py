"""Python environments: their Python makes the calls of all kinds of jobs."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from environments import MODULE, make_conda, make_venv, pack, venv_pack

from condor_futures import CondorExecutor, PythonMismatchError

pytestmark = pytest.mark.pool

WARM = pytest.mark.parametrize("seconds", [0.0, 20.0], ids=["closed", "warm"])


def answer() -> int:
    return importlib.import_module(MODULE).ANSWER


def look() -> tuple:
    """Return what a call sees: the answer, the prefix, and how often conda-unpack ran there."""
    prefix = Path(os.environ["CONDA_PREFIX"])
    return answer(), os.getpid(), (prefix / "unpacked").read_text().count("\n"), os.environ["TEST_DATA"]


def transferred() -> tuple:
    """Return the answer, and whether the job got the archive as an input file."""
    return answer(), any(Path(os.environ["_CONDOR_SCRATCH_DIR"]).glob("*.tar"))


@WARM
def test_venvs(new_executor, tmp_path, seconds):
    """An archive of venv-pack, another environment, and none, in one session; the names have blanks."""
    place = tmp_path / "my data"
    place.mkdir()
    archive = venv_pack(make_venv(place / "an env"), place / "my env.tar.gz")
    other = make_venv(place / "other", answer=43)
    executor = new_executor(warm=seconds, python_environment=archive)
    for spool in (True, False) if seconds else ():
        assert executor.with_options(spool=spool).why_not_warm is None
    futures = [
        executor.submit(answer),
        executor.with_options(python_environment=str(other), request_memory="64MB").submit(answer),
        executor.with_options(python_environment=False).submit(answer),
        executor.with_options(spool=False).submit(answer),
    ]
    assert [future.exception() and type(future.exception()) for future in futures] == [
        None,
        None,
        ModuleNotFoundError,
        None,
    ]
    assert [future.result() for future in futures if future.exception() is None] == [42, 43, 42]
    archive.unlink()
    with pytest.raises(FileNotFoundError, match=r"my env.tar.gz' in python_environment does not exist"):
        executor.submit(answer).result()


@WARM
def test_conda_environments_are_unpacked_once_by_each_job(new_executor, tmp_path, seconds):
    executor = new_executor(max_workers=1, warm=seconds, python_environment=make_conda(tmp_path / "env"))
    first, second = executor.map(lambda _: look(), range(2), chunksize=2)
    assert first == second
    assert (first[0], first[2]) == (42, 1)
    assert first[3].endswith("/.condor_futures_environment/share")


@WARM
def test_another_version_of_python_is_told_of_each_call(new_executor, tmp_path, seconds):
    archive = pack(make_conda(tmp_path / "env", says="3.8"), tmp_path / "env.tar.gz")
    executor = new_executor(max_workers=1, warm=seconds, python_environment=archive)
    errors = [executor.submit(answer).exception() for _ in range(2)]
    assert [type(error) for error in errors] == [PythonMismatchError] * 2
    assert f"{archive}' in python_environment has Python 3.8, but the client runs Python" in str(errors[0])


def test_archives_are_transferred_where_jobs_do_not_share_files(pool, monkeypatch, tmp_path):
    """They are input files of jobs that are spooled or not, warm or not."""
    for name, value in pool.environment.items():
        monkeypatch.setenv(name, value)
    place = tmp_path / "my data"
    place.mkdir()
    archive = pack(make_venv(place / "env"), place / "my env.tar.gz")
    with CondorExecutor(python_environment=archive, session=place / "my session") as executor:
        kinds = {"spool": True}, {"spool": False}, {"warm": 20.0}
        futures = [executor.with_options(**options).submit(transferred) for options in kinds]
        assert [future.result() for future in futures] == [(42, True)] * 3


def test_another_client_has_the_environment(new_executor, tmp_path):
    """Calls that were not submitted before have it, too."""
    executor = new_executor(max_workers=1, session=tmp_path / "session", python_environment=make_venv(tmp_path / "env"))
    for _ in range(2):
        executor.submit(answer)
    with CondorExecutor.attach(executor.detach()) as attached:
        assert [future.result() for future in attached.futures.values()] == [42, 42]


def test_dags(new_dag, tmp_path):
    environment = make_venv(tmp_path / "env")
    dag = new_dag(python_environment=environment)
    first = dag.submit(answer)
    dag.with_options(python_environment=make_venv(tmp_path / "other", 43), retries=1).submit(max, first, 1)
    dag.run()
    assert [future.result() for future in dag.futures] == [42, 42]
    local = new_dag()
    future = local.with_options(python_environment=environment).submit(answer)
    local.run(local=True)
    assert future.result() == 42
