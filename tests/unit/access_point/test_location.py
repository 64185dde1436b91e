"""The location of an access point."""

from __future__ import annotations

import pytest

from condor_futures.access_point.location import Location


@pytest.mark.parametrize(
    ("argument", "location"),
    [
        (None, Location()),
        ("ap1@example.org", Location(name="ap1@example.org")),
        (("cm.example.org:9618", "ap1@example.org"), Location(pool="cm.example.org:9618", name="ap1@example.org")),
    ],
)
def test_argument_of_the_executor_is_understood(argument, location):
    assert Location.parse(argument) == location


@pytest.mark.parametrize(
    "argument",
    ["", (), ("pool",), ("pool", "name", "more"), ("pool", None), ("pool", 3), b"name", 3, True, object()],
)
def test_other_argument_is_a_type_error(argument):
    """The message names the types that are allowed, and the value."""
    with pytest.raises(TypeError) as caught:
        Location.parse(argument)
    assert repr(argument) in str(caught.value)
    assert "name@host" in str(caught.value)


def test_location_can_be_named_in_a_message():
    assert str(Location()) == "the local schedd"
    assert str(Location(name="ap1@example.org")) == "the schedd ap1@example.org"
    assert str(Location("cm", "ap1@example.org")) == "the schedd ap1@example.org in the pool cm"
