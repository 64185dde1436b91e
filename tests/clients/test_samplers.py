"""emcee and dynesty: the same chains as in one process."""

from __future__ import annotations

from types import SimpleNamespace

import dynesty
import emcee
import numpy as np
import pytest

pytestmark = pytest.mark.pool


def test_emcee_walks_the_same_chain(unspooled):
    """The executor itself is a pool for emcee, which asks it for map() only."""

    def log_probability(x, centre):
        return -0.5 * np.sum((x - centre) ** 2)

    def chain(pool):
        start = np.random.default_rng(5).normal(size=(4, 2))
        sampler = emcee.EnsembleSampler(4, 2, log_probability, args=[1.0], pool=pool)
        sampler.random_state = np.random.RandomState(5).get_state()
        sampler.run_mcmc(start, 1)
        return sampler.get_chain(), sampler.get_log_prob()

    for ours, serial in zip(chain(unspooled), chain(None), strict=True):
        np.testing.assert_array_equal(ours, serial)


@pytest.mark.filterwarnings("ignore:The sampling was stopped short:UserWarning")  # on purpose, to be quick
def test_dynesty_finds_the_same_evidence(unspooled):
    """With queue_size, which dynesty needs to know from a pool without a size of its own."""

    def log_likelihood(x):
        return -0.5 * np.sum(x**2)

    def prior(u):
        return 10 * u - 5

    def run(pool):
        sampler = dynesty.NestedSampler(
            log_likelihood, prior, 2, nlive=8, sample="unif", pool=pool, queue_size=4,
            use_pool={"prior_transform": False}, rstate=np.random.default_rng(5),
        )  # fmt: skip
        sampler.run_nested(maxiter=4, print_progress=False)
        return sampler.results

    ours = run(unspooled)
    serial = run(SimpleNamespace(map=map))
    np.testing.assert_array_equal(ours.logz, serial.logz)
    np.testing.assert_array_equal(ours.samples, serial.samples)
    assert list(ours.ncall) == list(serial.ncall)
