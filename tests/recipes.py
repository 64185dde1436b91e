"""The functions that the tests of tests/clients call, in a module so that a ProcessPoolExecutor can call them too."""

from __future__ import annotations

import numpy as np
from coffea.processor import ProcessorABC


def valley(x):
    """Rosenbrock's function, for scipy."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def bowl(x, depth):
    """A paraboloid, for scipy."""
    return float(np.sum((x - 0.5) ** 2) - depth)


def distance(x, *, scale):
    """A paraboloid, for nevergrad."""
    return float(scale * np.sum((x - 0.5) ** 2))


def peak(x):
    """A Lorentz curve on a slope, for adaptive."""
    return x + 0.01 / (0.01 + x**2)


def square(n):
    """A function for adaptive."""
    return n**2


def log_probability(x, centre):
    """A normal distribution, for emcee."""
    return -0.5 * np.sum((x - centre) ** 2)


def log_likelihood(x):
    """A normal distribution, for dynesty."""
    return -0.5 * np.sum(x**2)


def prior(u):
    """Transform the unit cube to the region of the likelihood, for dynesty."""
    return 10 * u - 5


def add(a, b):
    """A function for dask."""
    return a + b


def double(x):
    """A function for pipefunc."""
    return 2 * x


def total(y):
    """A function for pipefunc."""
    return sum(y)


class Totals(ProcessorABC):
    """Sums over events, for coffea."""

    def process(self, events):
        return {events.metadata["dataset"]: {"events": len(events), "energy": float(np.sum(events.energy))}}

    def postprocess(self, accumulator):
        return accumulator
