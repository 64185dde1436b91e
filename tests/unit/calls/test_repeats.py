"""The second call that takes the same generator in the same state, or the same large argument, brings one warning."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings

import numpy as np
import pytest

from condor_futures import CondorFuturesWarning, DagExecutor
from condor_futures.calls import repeats

RNG = random.Random(1)
LARGE = repeats.LARGE + 1


def draw(*_):
    return [RNG.random() for _ in range(2)]


def of_argument(rng, *_, **__):
    return rng.random()


class Simulation:
    def __init__(self):
        self.rng = np.random.default_rng(1)

    def run(self, _):
        return self.rng.normal()


def closure(rng):
    return lambda _: rng.random()


@pytest.fixture
def dag(new_dag):
    """An executor that needs no pool; its calls are never made."""
    return new_dag()


@pytest.fixture
def told(recwarn):
    """The warnings so far."""
    warnings.simplefilter("always")

    def take():
        return [str(one.message) for one in recwarn if one.category is CondorFuturesWarning]

    return take


@pytest.mark.parametrize(
    ("fn", "path"),
    [
        (draw, "function global variable 'RNG'"),
        (closure(random.Random(1)), "function closure variable 'rng'"),
        (closure(np.random.RandomState(1)), "function closure variable 'rng'"),
        (Simulation().run, "function.__self__.rng"),
        (random.gauss, "function.__self__"),
        (np.random.normal, "function.__self__"),
        (np.random.default_rng(1).normal, "function.__self__"),
    ],
    ids=["global", "closure", "RandomState", "method", "random", "numpy.random", "Generator"],
)
def test_a_generator_in_the_function_of_several_calls(dag, told, fn, path):
    dag.map(fn, [1])
    assert told() == []
    dag.submit(fn, 2)
    [message] = told()
    assert f"the same numbers: {path}; make a generator in each call" in message
    dag.map(fn, range(3))
    assert len(told()) == 1


def test_a_map_is_several_calls(dag, told):
    dag.map(draw, range(2))
    assert len(told()) == 1


def test_a_generator_in_the_arguments_of_several_calls(dag, told):
    rng = random.Random(3)
    dag.submit(of_argument, 1, options={"rng": rng})
    dag.submit(of_argument, rng, 2)
    [message] = told()
    assert ": args[0];" in message


def test_the_warning_names_the_line_of_the_call(dag, recwarn):
    warnings.simplefilter("always")
    dag.map(draw, range(2))
    assert recwarn.pop(CondorFuturesWarning).filename == __file__


def test_no_warning_if_each_call_has_its_own_generator(dag, told):
    dag.map(of_argument, [random.Random(n) for n in range(5)])
    dag.map(of_argument, [np.random.default_rng(seed) for seed in np.random.SeedSequence(1).spawn(5)])
    for n in range(5):
        dag.submit(closure(random.Random(n)), 1)
        dag.submit(of_argument, random.Random(7))  # each is made for its call
    assert told() == []


def test_no_warning_if_the_generator_has_advanced(dag, told):
    rng = np.random.default_rng(5)
    for _ in range(3):
        dag.submit(of_argument, rng)
        rng.random()
    assert told() == []


def test_no_warning_for_functions_that_seed_their_own(dag, told):
    dag.map(lambda seed: random.Random(seed).random(), range(5))
    dag.map(lambda seed: np.random.default_rng(seed).random(), range(5))
    assert told() == []


def test_a_script_that_jobs_import_sends_the_state_of_its_generator(tmp_path):
    """Its functions are sent by name, and the variables that they use with the state that they have."""
    script = tmp_path / "script.py"
    script.write_text(
        "import random, condor_futures\n"
        "rng = random.Random(1)\n"
        "def draw(_):\n    return rng.random()\n"
        "if __name__ == '__main__':\n"
        "    condor_futures.DagExecutor('work', 'dag').map(draw, range(2))\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"{script}:6: CondorFuturesWarning: several calls" in done.stderr
    assert "function global variable 'rng'" in done.stderr


def large_list():
    return list(range(LARGE // 3))


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: (np.zeros(LARGE, np.uint8),), "args[0]"),
        (lambda: (1, {"data": np.zeros((LARGE, 2), np.uint8).T}), "args[1]['data']"),
        (lambda: (bytes(LARGE),), "args[0]"),
        (lambda: ("text", large_list()), "args[1]"),
    ],
    ids=["array", "columns in a dictionary", "bytes", "list"],
)
def test_a_large_argument_of_several_calls(dag, told, make, path):
    args = make()
    dag.submit(len, *args)
    assert told() == []
    dag.submit(len, *args)
    [message] = told()
    assert f"{path}, which is pickled, stored and sent for each call; share it once" in message
    dag.submit(len, *args)
    assert len(told()) == 1


def test_the_jobs_of_a_cluster_are_several_calls(new_dag, told):
    array = np.zeros(LARGE, np.uint8)
    new_dag().submit_cluster(len, array, count=1)
    assert told() == []
    new_dag().submit_cluster(len, array, count=2)
    new_dag().submit_cluster(draw, count=2)
    assert ["args[0]" in message or "'RNG'" in message for message in told()] == [True, True]


def test_a_small_argument_beside_a_large_one_is_no_mistake(dag, told):
    """Only the small one is in both calls."""
    config = {"steps": [1, 2]}
    for _ in range(3):
        dag.submit(len, large_list(), config)
    assert told() == []


def test_no_warning_if_each_call_has_its_own_large_argument(dag, told):
    """A later object may have the address of an earlier one."""
    for n in range(3):
        dag.submit(len, np.full(LARGE, n, np.uint8))
        dag.submit(len, bytes([n]) * LARGE)
        dag.submit(len, [n] * LARGE)
    assert told() == []


def test_no_warning_for_parts_of_an_array(dag, told):
    array = np.zeros(3 * LARGE, np.uint8)
    dag.map(len, [array[start : start + LARGE] for start in range(3)])
    assert told() == []


def test_no_warning_for_shared_objects(dag, told):
    handle = dag.share(np.zeros(LARGE, np.uint8))
    dag.map(len, [handle] * 3)
    assert told() == []


def test_a_large_argument_is_not_kept_in_memory():
    """Only as long as the user keeps it."""
    array = np.zeros(LARGE, np.uint8)
    before = sys.getrefcount(array)
    repeats.Repeats().look_at_large((array,), {}, [b"", memoryview(array)])
    assert sys.getrefcount(array) == before


def test_the_executors_of_a_dag_share_what_they_remember(new_dag, told):
    dag: DagExecutor = new_dag()
    dag.submit(draw, 1)
    dag.with_options(request_cpus=2).submit(draw, 2)
    assert len(told()) == 1
