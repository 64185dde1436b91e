"""emcee and dynesty: the same chains as with ProcessPoolExecutor."""

from __future__ import annotations

import dynesty
import emcee
import numpy as np
import pytest
from recipes import log_likelihood, log_probability, prior

pytestmark = pytest.mark.pool


def test_emcee_walks_the_same_chain(unspooled, processes):
    """The executor itself is a pool for emcee, which uses only its map()."""

    def chain(pool):
        start = np.random.default_rng(5).normal(size=(4, 2))
        sampler = emcee.EnsembleSampler(4, 2, log_probability, args=[1.0], pool=pool)
        sampler.random_state = np.random.RandomState(5).get_state()
        sampler.run_mcmc(start, 1)
        return sampler.get_chain(), sampler.get_log_prob()

    for ours, theirs in zip(chain(unspooled), chain(processes), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:The sampling was stopped short:UserWarning")  # too small on purpose, to be quick
def test_dynesty_finds_the_same_evidence(unspooled, processes):
    """For dynesty, a pool without a size of its own needs queue_size."""

    def run(pool):
        sampler = dynesty.NestedSampler(
            log_likelihood, prior, 2, nlive=8, sample="unif", pool=pool, queue_size=4,
            use_pool={"prior_transform": False}, rstate=np.random.default_rng(5),
        )  # fmt: skip
        sampler.run_nested(maxiter=4, print_progress=False)
        return sampler.results

    ours = run(unspooled)
    theirs = run(processes)
    np.testing.assert_array_equal(ours.logz, theirs.logz)
    np.testing.assert_array_equal(ours.samples, theirs.samples)
    assert list(ours.ncall) == list(theirs.ncall)
