"""Shared objects: each is pickled and stored once, and arrives in the calls of all kinds of jobs."""

from __future__ import annotations

import array
import copy
import functools
import os
import sys
from pathlib import Path

import pytest
from environments import make_venv, pack

from condor_futures import CondorExecutor, PayloadError, SharedObjectError
from condor_futures.calls import stored_calls
from condor_futures.inspection import inspect_file
from condor_futures.personal import PersonalPool
from condor_futures.watching import submissions

pytestmark = pytest.mark.pool


DATASET = {"values": array.array("d", range(1000))}
TOTALS = [sum(range(start, 1000, 4)) for start in range(4)]


def total(dataset, start=0):
    return sum(dataset["values"][start::4]), id(dataset), os.getpid()


def look(_, *names):
    """Return how many links the files have, and the name of the environment."""
    return *(Path(name).stat().st_nlink for name in names), Path(sys.prefix).name


def names(executor):
    return [path.name for path in (executor.session / "objects").iterdir()]


@pytest.mark.parametrize("spool", [True, False])
def test_calls_and_chunks_take_a_shared_object(new_executor, spool):
    executor = new_executor(spool=spool)
    handle = executor.share(DATASET)
    assert executor.share(copy.deepcopy(DATASET)) == handle
    single = executor.submit(total, handle, start=1)
    values = list(executor.map(functools.partial(total, handle), range(4), chunksize=2))
    nested = executor.submit(
        lambda parts: [part()["values"][3] for part in parts["all"]], {"all": [lambda: handle] * 2}
    )
    untouched = executor.submit(abs, -1)
    assert single.result()[0] == TOTALS[1]
    assert [value for value, *_ in values] == TOTALS
    assert len({value[1:] for value in values}) == 2  # one object for the calls of each job
    assert nested.result() == [3.0, 3.0]
    assert untouched.result() == 1
    assert names(executor) == [handle.name]


@pytest.mark.parametrize("seconds", [0.0, 60.0], ids=["closed", "warm"])
def test_large_functions_and_initializers_are_stored_once(new_executor, seconds):
    def load(data):
        os.environ["LOADED"] = str(len(data))

    executor = new_executor(warm=seconds, max_workers=2, initializer=load, initargs=(bytes(300_000),))
    function = functools.partial(lambda data, n: (int(os.environ["LOADED"]), len(data), n), bytes(400_000))
    values = [*executor.map(function, range(3), chunksize=2), executor.submit(function, 3).result()]
    assert values == [(300_000, 400_000, n) for n in range(4)]
    assert len(names(executor)) == 2
    assert sum(path.stat().st_size for path in (executor.session / "bundles").rglob("*.calls")) < 50_000


@pytest.mark.parametrize("seen", [True, False], ids=["jobs see the session", "through the line"])
@pytest.mark.parametrize("spool", [True, False])
def test_warm_jobs_take_a_shared_object(warm, monkeypatch, spool, seen):
    """The jobs of this pool see the session's directory, and need not fetch anything, unless it is hidden from them."""
    if not seen:
        write = stored_calls.write_frame
        monkeypatch.setattr(
            stored_calls,
            "write_frame",
            lambda file, secret, header, *more: write(file, secret, {**header, "objects": "/nowhere"}, *more),
        )
    executor = warm(spool=spool, max_workers=2)
    handle = executor.share({**DATASET, "large": os.urandom(3_000_000)})
    values = list(executor.map(functools.partial(total, handle), range(4)))
    assert [value for value, *_ in values] == TOTALS
    assert len({value[1] for value in values}) <= 2
    fetched = lambda _, name: (Path(os.environ["_CONDOR_SCRATCH_DIR"]) / name).exists()  # noqa: E731
    assert executor.submit(fetched, handle, handle.name).result() is not seen
    handle = executor.share([1, 2, 3])  # while the job runs
    assert executor.submit(sum, handle).result() == 6
    (executor.session / "objects" / handle.name).unlink()
    assert isinstance(executor.submit(sum, handle).exception(), SharedObjectError)
    executor.share([1, 2, 3])
    assert executor.submit(sum, handle).result() == 6


def test_a_large_object_is_sent_once_to_a_machine(release, monkeypatch, tmp_path):
    """The jobs of one machine have hard links to one file, unless a setting forbids this, as in our personal pools.

    The archive of an environment is sent in the same way.
    """
    config = {"GUIDANCE_KEEP_CALM_AND": "False", "KEEP_DATA_CLAIM_IDLE": "1"}
    with PersonalPool(release=release, slots=2, config=config, temporary=True) as pool:
        for name, value in pool.environment().items():
            monkeypatch.setenv(name, value)
        archive = pack(make_venv(tmp_path / "env"), tmp_path / "env.tar.gz")
        with CondorExecutor(session=tmp_path / "session", python_environment=archive) as executor:
            handle = executor.share(bytes(submissions.COMMON))
            stored = executor._intake.options.environment.name
            looks = [executor.submit(look, handle, handle.name, stored) for _ in range(2)]
            for future in looks:
                links, of_archive, prefix = future.result()
                assert min(links, of_archive) > 1
                assert prefix == ".condor_futures_environment"
        assert (executor.session / "event_log").read_text().count("Started transferring common files") == 1


def test_mistakes_are_told_before_anything_is_submitted(new_executor):
    first, second = new_executor(), new_executor()
    handle = first.share([1, 2, 3])
    error = second.submit(sum, handle).exception()
    assert isinstance(error, ValueError)
    assert "was shared by an executor of another session; share() the object with this executor too" in str(error)
    with pytest.raises(PayloadError, match="the object\\['function'\\] cannot be pickled"):
        first.share({"function": (number for number in range(3))})
    first.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        first.share([1])
    with pytest.raises(RuntimeError, match="after shutdown"):
        first.submit(sum, handle)


def test_another_client_has_the_shared_objects(new_executor, tmp_path):
    executor = new_executor(session=tmp_path / "session", max_workers=1, spool=False)
    handle = executor.share([1, 2, 3])
    calls = {executor.submit(lambda data, n: sum(data) + n, handle, number).key: number for number in range(2)}
    path = executor.session / "bundles" / "000" / "b000001.calls"
    assert repr(inspect_file(path).calls[0].args) == f"(<shared object {handle.name[:12]}>, 1)"
    executor.detach()
    with CondorExecutor.attach(tmp_path / "session") as attached:
        assert {key: future.result() for key, future in attached.futures.items()} == {
            key: 6 + number for key, number in calls.items()
        }
        assert attached.share([1, 2, 3]) == handle
        assert attached.submit(sum, handle).result() == 6
        assert names(attached) == [handle.name]


def test_a_damaged_object_costs_the_calls_that_need_it(warm):
    executor = warm()
    handle = executor.share([1, 2, 3])
    path = executor.session / "objects" / handle.name
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    calls = [executor.submit(sum, handle), executor.submit(sum, [4])]
    error = calls[0].exception()
    assert isinstance(error, SharedObjectError)
    assert "is damaged" in str(error)
    assert calls[1].result() == 4
    executor.share([1, 2, 3])
    assert executor.submit(sum, handle).result() == 6


def test_a_dag_takes_shared_objects(new_dag):
    dag = new_dag()
    handle = dag.share([1, 2, 3])
    total = dag.submit(sum, handle)
    assert [future.result() for future in dag.run()] == [6]
    local = new_dag()
    assert local.share([1, 2, 3]) == local.share([1, 2, 3])
    total = local.submit(sum, local.share([1, 2, 3]))
    with pytest.raises(ValueError, match="another session"):
        local.submit(sum, handle)
    local.run(local=True)
    assert total.result() == 6
