"""Names of calls are made from their arguments; what cannot be named is refused in one sentence."""

from __future__ import annotations

import re
from concurrent.futures import Future

import pytest

from condor_futures import procid
from condor_futures.calls.naming import Naming


def name(template, *args, **kwargs):
    return Naming.parse(template).name(args, kwargs)


def test_positions_and_keywords():
    assert name("fit-{0}", 3) == "fit-3"
    assert name("fit-{1:.2f}-{0.imag}", 3j, 2) == "fit-2.00-3.0"
    assert name("{seed:>{width}}", seed=7, width=3) == "7"
    assert name("{}-{}", "a", "b", unused=3) == "a-b"
    assert name("fit {{0}}") == "fit {0}"
    assert name("scan", 3) == "scan"


def test_a_name_is_one_line_of_moderate_length():
    assert name("{0}", "a\nb\x1b[31m\t") == "a b [31m"
    assert name("{0}", "a" * 1000) == "a" * 200
    assert name("{0}", "\n") is None


def test_calls_of_a_cluster_have_their_numbers():
    assert Naming.parse("part-{0}").name([procid], {}, number=4) == "part-4"
    assert Naming.parse("part-{n}").name([], {"n": procid}, number=0) == "part-0"
    with pytest.raises(ValueError, match="procid"):
        name("{0}", procid)


@pytest.mark.parametrize("template", ["fit-{0", "fit-}", "{0}{}", "{0!x}", "", " \n"])
def test_what_is_no_format_string_is_refused(template):
    with pytest.raises(ValueError, match=re.escape("fit-{0}")):
        Naming.parse(template)


@pytest.mark.parametrize("template", [5, b"fit", True])
def test_a_name_is_a_str(template):
    with pytest.raises(TypeError, match="format string"):
        Naming.parse(template)


@pytest.mark.parametrize(
    ("template", "says"), [("{1}", "{1}"), ("{seed}", "{seed}"), ("{0:{width}}", "{width}"), ("{}{}", "1 positional")]
)
def test_an_argument_that_the_call_does_not_have_is_refused(template, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        name(template, 3)


class Unwritable:
    def __format__(self, _):
        raise RuntimeError("not now")


@pytest.mark.parametrize(
    ("template", "value", "says"),
    [
        ("{0}", Future(), "a future, whose value is not known yet"),
        ("{0:d}", "three", "does not suit"),
        ("{0.nothing}", 3, "does not suit"),
        ("{0}", Unwritable(), "RuntimeError: not now"),
    ],
)
def test_what_has_no_text_is_refused(template, value, says):
    with pytest.raises(ValueError, match=says):
        name(template, value)
