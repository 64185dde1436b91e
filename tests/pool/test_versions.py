"""The smallest set of tests for an older HTCondor; run by hand for other versions of the bindings and of the pool.

``CONDOR_FUTURES_SUITE`` names the suite of Debian's archive that HTCondor is taken from: ``trixie`` has 23.9.6.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path

import pytest
from support import until

from condor_futures import (
    AccessPointError,
    CondorExecutor,
    DagExecutor,
    InstallError,
    JobCrashedError,
    JobHeldError,
    report,
)
from condor_futures.doctor import Level, examine
from condor_futures.personal import PersonalPool

#: Installing HTCondor takes a minute on a busy machine.
pytestmark = pytest.mark.timeout(400)

SUITE = os.environ.get("CONDOR_FUTURES_SUITE", "trixie")


@pytest.fixture(scope="module")
def older_release(tmp_path_factory):
    """An HTCondor from that suite."""
    install = importlib.import_module("condor_futures.personal.install")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setattr(install, "_SUITES", (SUITE,))
        patch.setattr(install, "_OLDEST", 23)
        try:
            return install.install()
        except InstallError as error:
            pytest.skip(f"HTCondor cannot be installed from {SUITE}: {error}")


@pytest.fixture(scope="module")
def older(older_release, tmp_path_factory):
    """A personal pool of that HTCondor, for `access_point="personal"`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        personal = PersonalPool(slots=4, release=older_release)
        personal.start()
        try:
            yield personal
        finally:
            personal.stop()


def tell_and_sleep() -> None:
    report(0.5, "half")
    time.sleep(600)


def words_of(name: str) -> str:
    print("read", name)
    return Path(name).read_text()


def write(name: str) -> None:
    Path(name).write_text("out")


@pytest.mark.parametrize("spool", [True, False])
def test_calls(older, tmp_path, spool):
    """Values, exceptions, crashes, files, output, holds and cancellation."""
    (tmp_path / "my data").mkdir()
    (tmp_path / "my data/a b.txt").write_text("in")
    where = tmp_path / "my data/o.txt"
    with CondorExecutor(access_point="personal", spool=spool, keep_logs=tmp_path / "logs") as executor:
        squares = executor.map(pow, range(12), [2] * 12, chunksize=4)
        raises = executor.submit(int, "x")
        crashes = executor.submit(os.abort)
        reads = executor.with_options(transfer_input_files=tmp_path / "my data/a b.txt").submit(words_of, "a b.txt")
        writes = executor.with_options(
            transfer_output_files="o.txt", transfer_output_remaps={"o.txt": where}, request_memory="64MB"
        ).submit(write, "o.txt")
        held = executor.with_options(periodic_hold="JobStatus == 2").submit(time.sleep, 60)
        long = executor.submit(time.sleep, 600)
        assert list(squares) == [n**2 for n in range(12)]
        assert isinstance(raises.exception(), ValueError)
        assert isinstance(crashes.exception(), JobCrashedError)
        assert (reads.result(), reads.stdout()) == ("in", "read a b.txt\n")
        writes.result()
        assert where.read_text() == "out"
        assert isinstance(held.exception(), JobHeldError)
        until(long.running)
        assert [job.state for job in executor.jobs(why=True)].count("running") == 1
        assert long.cancel()
    assert list((tmp_path / "logs").glob("*.log"))


def test_warm_jobs(older):
    """Many calls, their output and progress, and a cancelled call that keeps its job."""
    with CondorExecutor(1, access_point="personal", warm=60) as executor:
        assert executor.submit(os.getpid).result()
        assert executor.why_not_warm is None
        (before,) = executor.jobs()
        assert list(executor.map(pow, range(50), [3] * 50)) == [n**3 for n in range(50)]
        long = executor.submit(tell_and_sleep)
        until(lambda: long.progress is not None)
        assert long.cancel()
        assert executor.submit(abs, -7).result() == 7
        (after,) = executor.jobs()
        assert after.job_id == before.job_id


def test_dags(older, tmp_path):
    with DagExecutor("work", tmp_path / "dag", access_point="personal") as dag:
        parts = dag.map(pow, range(3), [2] * 3)
        total = dag.submit(sum, parts)
        dag.run()
        assert total.result() == 5


def test_sessions_are_attached_to(older, tmp_path):
    executor = CondorExecutor(access_point="personal", session=tmp_path / "session")
    future = executor.submit(pow, 2, 10)
    until(lambda: future.job_id)
    with CondorExecutor.attach(executor.detach()) as attached:
        assert [each.result() for each in attached.futures.values()] == [1024]


def test_authentication_that_the_bindings_refuse_is_told(older_release, tmp_path, monkeypatch):
    """The sentence has two ways out, of which the user must choose one: the setting is about security."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    personal = PersonalPool(slots=1, release=older_release, config={"SEC_FS_ENFORCE_CHANNEL_BINDING": "True"})
    personal.start()
    try:
        if int(older_release.version.partition(".")[0]) < 24:
            with pytest.raises(AccessPointError) as refused:
                CondorExecutor(access_point="personal")
            assert "refuse its FS authentication; use bindings of its version, or set" in str(refused.value)
            [finding] = [finding for finding in examine("personal") if finding.level is Level.FAILED]
            assert finding.name == "versions"
            assert "refuse its FS authentication; use bindings of its version, or set" in finding.sentence
        monkeypatch.setenv("_condor_SEC_FS_ENFORCE_CHANNEL_BINDING", "false")
        CondorExecutor(access_point="personal").shutdown()
        assert [finding.name for finding in examine("personal") if finding.level is Level.FAILED] == []
    finally:
        personal.stop()
