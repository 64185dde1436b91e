"""Wrong use raises at once the exception that the standard library raises for it."""

from __future__ import annotations

import pytest

from condor_futures import CondorExecutor

pytestmark = pytest.mark.pool


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_workers": 0}, ValueError, "max_workers must be greater than 0"),
        ({"max_workers": -1}, ValueError, "max_workers must be greater than 0"),
        ({"max_tasks_per_child": 0}, ValueError, "max_tasks_per_child"),
        ({"max_tasks_per_child": -1}, ValueError, "max_tasks_per_child"),
        ({"max_tasks_per_child": "3"}, TypeError, "max_tasks_per_child must be an integer"),
        ({"initializer": 1}, TypeError, "initializer must be a callable"),
    ],
)
def test_an_executor_refuses_impossible_options(pool, options, error, message):
    """The error comes before anything starts."""
    with pytest.raises(error, match=message):
        CondorExecutor(access_point="personal", **options)


def test_names_of_files_that_htcondor_cannot_take_are_refused(pool, executor, tmp_path):
    """The error comes with the argument. Nothing is made or submitted."""
    with pytest.raises(ValueError, match="HTCondor does not support this directory name"):
        CondorExecutor(access_point="personal", session=tmp_path / "a$$(b)")
    assert list(tmp_path.iterdir()) == []
    module = tmp_path / "one,two.py"
    module.touch()
    for make in (
        lambda: CondorExecutor(access_point="personal", ship=[module]),
        lambda: executor.with_options(ship=[module]),
    ):
        with pytest.raises(ValueError, match="commas separate"):
            make()


def test_submit_needs_a_function(executor):
    """The function is the first positional argument; the keywords belong to the function."""
    for arguments in ({}, {"fn": abs}, {"arg": 1}):
        with pytest.raises(TypeError):
            executor.submit(**arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunksize": 0}, ValueError, "chunksize must be greater than 0, not 0"),
        ({"chunksize": -1}, ValueError, "chunksize must be greater than 0, not -1"),
        ({"buffersize": 0}, ValueError, "buffersize must be None or > 0"),
        ({"buffersize": -1}, ValueError, "buffersize must be None or > 0"),
        ({"buffersize": "2"}, TypeError, "buffersize must be an integer or None"),
        ({"buffersize": 2.0}, TypeError, "buffersize must be an integer or None"),
    ],
)
def test_map_refuses_impossible_sizes(executor, options, error, message):
    """map() raises when it is called, not at the first result. For buffersize, the words are those of the standard
    library.
    """
    with pytest.raises(error, match=message):
        executor.map(abs, [1], **options)


def test_a_function_that_cannot_be_called_is_its_calls_failure(executor):
    """In the standard library, where the call also runs elsewhere, the result is the same."""
    with pytest.raises(TypeError, match="not callable"):
        executor.submit(42).result(60)
    with pytest.raises(TypeError, match="not callable"):
        list(executor.map(42, [1]))
    assert all(isinstance(future.exception(60), TypeError) for future in executor.submit_cluster(42, count=2))


def test_an_executor_that_was_shut_down_takes_nothing(new_executor):
    """Neither do executors derived from it. A second shutdown does no harm."""
    executor = new_executor()
    derived = executor.with_options(request_memory="1GB")
    derived.shutdown()
    executor.shutdown(wait=False, cancel_futures=True)
    for closed in (executor, derived, executor.with_options(request_cpus=1)):
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            closed.submit(abs, 1)
        with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
            closed.map(abs, [1])
    with pytest.raises(RuntimeError, match="after shutdown"), executor:
        executor.submit(abs, 1)
