"""A dict of limits that checks its values in every operation."""

from __future__ import annotations

import pytest

from condor_futures.options.categories import Categories
from condor_futures.ownership import WrongThreadError


@pytest.mark.parametrize(
    "give",
    [
        lambda limits, name, limit: limits.__setitem__(name, limit),
        lambda limits, name, limit: limits.update({name: limit}),
        lambda limits, name, limit: limits.setdefault(name, limit),
        lambda limits, name, limit: limits.__ior__({name: limit}),
        lambda limits, name, limit: Categories({name: limit}),
    ],
    ids=["item", "update", "setdefault", "|=", "constructor"],
)
@pytest.mark.parametrize(
    ("name", "limit", "error", "sentence"),
    [
        ("disk", 0, ValueError, "the limit of the category 'disk' must be greater than 0, not 0"),
        ("disk", "3", TypeError, "the limit of the category 'disk' must be an integer, not '3'"),
        (3, 1, TypeError, "a category must be a str, not int"),
    ],
)
def test_no_way_leads_around_the_check(give, name, limit, error, sentence):
    limits = Categories(merge=2)
    with pytest.raises(error, match=f"^{sentence}$"):
        give(limits, name, limit)
    assert limits == {"merge": 2}


def test_it_is_a_dict_otherwise():
    limits = Categories(merge=2)
    limits |= {"disk": 3}
    del limits["merge"]
    assert (dict(limits), limits.get("merge")) == ({"disk": 3}, None)


@pytest.mark.parametrize(
    "change",
    [lambda limits: limits.update(merge=3), lambda limits: limits.pop("merge"), lambda limits: limits.clear()],
    ids=["set", "pop", "clear"],
)
def test_what_is_sealed_says_why_it_does_not_change(change):
    limits = Categories(merge=2)
    limits.seal("the DAG has been run")
    with pytest.raises(RuntimeError, match="the DAG has been run"):
        change(limits)
    assert limits == {"merge": 2}


def test_a_copy_can_be_changed():
    """Even a copy of sealed categories can."""
    limits = Categories(merge=2)
    limits.seal("the DAG has been run")
    copy = limits.copy()
    copy["merge"] = 3
    assert (limits, copy) == ({"merge": 2}, {"merge": 3})


def test_limits_change_only_under_their_lock():
    limits = Categories(merge=2)
    with pytest.raises(WrongThreadError, match="the holder of the lock of the limits"):
        limits.sealed = "without the lock"
    limits.seal("with the lock")
    assert limits.sealed == "with the lock"
