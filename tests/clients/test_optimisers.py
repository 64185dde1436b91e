"""scipy, nevergrad and adaptive: the same numbers as with ProcessPoolExecutor."""

from __future__ import annotations

import asyncio
import functools

import adaptive
import nevergrad
import numpy as np
import pytest
from recipes import bowl, distance, peak, square, valley
from scipy.optimize import brute, differential_evolution

from condor_futures import RemoteTraceback

pytestmark = pytest.mark.pool


def test_scipy_evolves_by_map(unspooled, processes):
    """differential_evolution(workers=executor.map) evaluates and finds the same."""

    def evolve(workers, maxiter):
        bounds = [(-2, 2), (-1, 3)]
        return differential_evolution(
            valley, bounds, workers=workers, updating="deferred", popsize=3, maxiter=maxiter, polish=False, rng=7
        )

    for workers, maxiter in ((unspooled.map, 1), (functools.partial(unspooled.map, chunksize=3), 2)):
        ours, theirs = evolve(workers, maxiter), evolve(processes.map, maxiter)
        assert (ours.fun, ours.nfev) == (theirs.fun, theirs.nfev)
        np.testing.assert_array_equal(ours.x, theirs.x)


def test_scipy_searches_a_grid_by_map(unspooled, processes):
    """brute(workers=executor.map) evaluates the whole grid."""
    grid = {"ranges": [slice(0, 1, 0.25)] * 2, "args": (3.0,), "finish": None, "full_output": True}
    found = [brute(bowl, **grid, workers=functools.partial(e.map, chunksize=4)) for e in (unspooled, processes)]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_type_error_that_scipy_rewrites_keeps_the_remote_traceback(unspooled):
    """The message blames the map. The chain of causes has the exception of the call and its traceback."""

    def wrong(x):
        return x[0] + "metres"

    def evolve(workers):
        differential_evolution(wrong, [(0, 1)], workers=workers, updating="deferred", popsize=5, maxiter=1, rng=7)

    with pytest.raises(RuntimeError, match="map-like callable") as raised:
        evolve(functools.partial(unspooled.map, chunksize=5))
    error = raised.value.__cause__
    assert isinstance(error, TypeError)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert '"metres"' in str(error.__cause__)


@pytest.mark.filterwarnings("ignore:Ignoring since timer was stopped:UserWarning")  # nevergrad's own timer
def test_nevergrad_minimises(unspooled, processes):
    """If the optimiser's points do not depend on when calls end, the recommendation is the same."""

    def minimise(executor):
        space = nevergrad.p.Instrumentation(nevergrad.p.Array(shape=(2,)), scale=nevergrad.p.Scalar(lower=1, upper=2))
        space.random_state.seed(3)
        optimiser = nevergrad.optimizers.RandomSearch(space, budget=12, num_workers=4)
        recommendation = optimiser.minimize(distance, executor=executor, batch_mode=True)
        return recommendation.value, optimiser.num_tell

    ((x,), named), told = minimise(unspooled)
    ((their_x,), their_named), they_told = minimise(processes)
    np.testing.assert_array_equal(x, their_x)
    assert (named, told) == (their_named, they_told)


def test_adaptive_blocks_until_its_goal(unspooled):
    """A BlockingRunner evaluates the points that the learner requests, and cancels the ones that it no longer needs."""
    learner = adaptive.Learner1D(peak, bounds=(-1, 1))
    adaptive.BlockingRunner(learner, npoints_goal=9, executor=unspooled, ntasks=4)
    assert len(learner.data) >= 9
    assert learner.data == {x: peak(x) for x in learner.data}
    assert {-1.0, 1.0} <= set(learner.data)


def test_adaptive_asks_for_the_same_points(unspooled, processes):
    """The calls run one at a time, because the next point depends on which calls have ended."""

    def points(executor):
        learner = adaptive.Learner1D(peak, bounds=(-1, 1))
        adaptive.BlockingRunner(learner, npoints_goal=6, executor=executor, ntasks=1)
        return learner.data

    assert points(unspooled) == points(processes)


def test_adaptive_runs_beside_an_event_loop(unspooled, processes):
    """An AsyncRunner (the Runner of a notebook) processes a sequence."""

    async def results(executor):
        learner = adaptive.SequenceLearner(square, sequence=range(6))
        await adaptive.AsyncRunner(learner, goal=adaptive.SequenceLearner.done, executor=executor, ntasks=3).task
        return learner.result()

    assert asyncio.run(results(unspooled)) == asyncio.run(results(processes)) == [n**2 for n in range(6)]


def test_adaptive_reports_and_retries_a_failed_call(unspooled, tmp_path):
    """A call that raised is repeated as often as the runner allows."""

    def moody(n):
        if n == 1 and not (tmp_path / "raised").exists():
            (tmp_path / "raised").touch()
            raise OSError("not today")
        return n

    learner = adaptive.SequenceLearner(moody, sequence=range(3))
    adaptive.BlockingRunner(
        learner,
        goal=adaptive.SequenceLearner.done,
        executor=unspooled,
        ntasks=3,
        retries=1,
        raise_if_retries_exceeded=True,
    )
    assert learner.result() == [0, 1, 2]
