"""A request covers what most jobs used, and a margin, whatever the jobs and their order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condor_futures.watching.learner import FIRST, MARGIN, QUANTILE, Need, round_up

MiB = 1 << 20
AMOUNTS = st.integers(1, 1 << 44)
MANY = st.lists(AMOUNTS, min_size=FIRST, max_size=300)


def learned(amounts):
    need = Need()
    for number, amount in enumerate(amounts):
        need.used(f"b{number}", amount)
    return need


@given(st.lists(AMOUNTS, max_size=FIRST - 1))
def test_few_jobs_tell_nothing(amounts):
    assert learned(amounts).request() is None


@given(MANY)
def test_a_request_covers_the_quantile_and_the_margin_and_little_more(amounts):
    quantile = sorted(amounts)[math.ceil(QUANTILE * len(amounts)) - 1]
    assert MARGIN * quantile <= learned(amounts).request() <= 1.3 * quantile + 2  # what is rounded up to whole bytes


@given(MANY, st.randoms())
def test_the_order_of_the_jobs_has_no_effect(amounts, random):
    shuffled = list(amounts)
    random.shuffle(shuffled)
    assert learned(shuffled).request() == learned(amounts).request()


@given(MANY, AMOUNTS)
def test_a_larger_job_does_not_lower_the_request_and_a_smaller_one_does_not_raise_it(amounts, another):
    need = learned(amounts)
    before = need.request()
    need.used("another", another)
    if another * MARGIN >= before:
        assert need.request() >= before
    else:
        assert need.request() <= before


@given(MANY, st.integers(1, 1 << 40))
def test_what_a_job_exceeded_counts_until_it_has_ended(amounts, granted):
    need = learned(amounts)
    before = need.request()
    need.exceeded("held", 1)
    need.exceeded("held", granted)
    assert need.known == len(amounts) + 1
    if len(amounts) < 100:
        assert need.request() >= granted
    need.forget("held")
    assert need.request() == before


def test_a_job_that_exceeded_its_request_is_counted_once():
    need = learned([100 * MiB] * FIRST)
    need.exceeded("held", 1000 * MiB)
    assert need.request() >= 1000 * MiB
    need.used("held", 200 * MiB)
    assert (need.known, need.request() // MiB) == (FIRST + 1, 240)


def test_jobs_that_all_exceed_their_requests_teach_before_one_has_ended():
    need = Need()
    for number in range(FIRST):
        need.exceeded(f"b{number}", 256 * MiB)
    assert 256 * MiB <= need.request() < 270 * MiB


def test_one_job_in_a_hundred_may_need_more():
    """It is stopped, and released with more: all others would pay for it."""
    assert learned([100 * MiB] * 99 + [8000 * MiB]).request() < 130 * MiB
    assert learned([100 * MiB] * 98 + [8000 * MiB] * 2).request() > 8000 * MiB


@given(st.integers(0, 1 << 60))
def test_amounts_are_rounded_up_by_3_percent_at_most(amount):
    assert amount <= round_up(amount) <= amount * 33 / 32
    assert round_up(round_up(amount)) == round_up(amount)


@pytest.mark.parametrize("doublings", [0, 10, 40])
def test_there_are_few_different_amounts(doublings):
    """A million jobs are a few hundred numbers, and few requests are edited."""
    assert len({round_up(amount << doublings) for amount in range(513, 1025)}) == 32
