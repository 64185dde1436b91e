"""Libraries that take an executor, with functions that take microseconds, so that all time is the executor's."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import work
from measuring import PROCESSES, Goal, Row, Run, timed


def emcee(executor: Any, scale: int) -> None:
    """Each step makes two maps, one after the other, of half of the walkers each."""
    import emcee as library
    import numpy as np

    pool = SimpleNamespace(map=executor.map)
    sampler = library.EnsembleSampler(32, 5, work.log_probability, pool=pool)
    sampler.run_mcmc(np.random.default_rng(1).normal(size=(32, 5)), scale)


def adaptive(executor: Any, scale: int) -> None:
    """Four calls at once; each value decides which point comes next."""
    import adaptive as library

    learner = library.Learner1D(work.peak, bounds=(-1, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # adaptive's own, of Python versions
        library.BlockingRunner(learner, npoints_goal=4 * scale, executor=executor, ntasks=work.SLOTS)


def scipy(executor: Any, scale: int) -> None:
    """One map of 30 calls for each generation."""
    from scipy.optimize import differential_evolution

    bounds = [(-2, 2), (-1, 3)]
    use = {"workers": executor.map, "updating": "deferred", "polish": False, "rng": 7, "tol": 0.0}
    differential_evolution(work.valley, bounds, popsize=15, maxiter=scale, **use)


def gather(executor: Any, scale: int) -> None:
    """Tasks that await one call after another."""

    async def task(loop: asyncio.AbstractEventLoop) -> None:
        for number in range(scale):
            await loop.run_in_executor(executor, work.nothing, number)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(task(loop) for _ in range(2 * work.SLOTS)))

    asyncio.run(main())


def case(name: str, what: str, recipe: Callable[[Any, int], None]) -> Callable[[Run], list[Row]]:
    def measure(run: Run) -> list[Row]:
        scale = run.size(50, 1)
        ways = run.executor(), run.processes()
        if not run.quick:
            for executor in ways:  # the jobs' and processes' imports
                recipe(executor, 2)
        times: list[list[float]] = [[], []]
        for _ in range(run.rounds):
            for taken, executor in zip(times, ways, strict=True):
                taken.append(timed(lambda: recipe(executor, scale)))  # noqa: B023
        return [Row(name, what, "s", times[0], {PROCESSES: times[1]}, [Goal(3, PROCESSES)])]

    return measure


CASES = {
    "emcee": case("emcee", "emcee: 50 steps of 32 walkers", emcee),
    "adaptive": case("adaptive", "adaptive: 200 points, 4 at once", adaptive),
    "scipy": case("scipy", "scipy's differential_evolution: 50 generations of 30", scipy),
    "asyncio": case("asyncio", "asyncio: 8 tasks of 50 calls each", gather),
}
