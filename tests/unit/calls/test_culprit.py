"""The error names the part of an object that cannot be pickled, as a Python expression."""

from __future__ import annotations

import functools
import pickle
import sys
import threading
import time
import unittest.mock

import pytest

from condor_futures.calls import culprit
from condor_futures.calls.culprit import locate_culprit, path_to
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import PayloadError


class Thing:
    """An object with attributes."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def method(self):
        return self


class Slotted:
    __slots__ = ("part",)


def lock():
    return threading.Lock()


def slotted(part):
    thing = Slotted()
    thing.part = part
    return thing


def closure():
    guard = lock()
    return lambda: guard


def nested_closure():
    inner = closure()
    return lambda: [inner]


GLOBAL_LOCK = threading.Lock()


def dump(part, _deadline):
    pickle.dumps(part)


def by_value(function):
    """Make a function that cloudpickle pickles like one of a user's script."""
    function.__module__ = "__main__"
    return function


@pytest.mark.parametrize(
    ("make", "path"),
    [
        pytest.param(lock, "x", id="itself"),
        pytest.param(lambda: [1, [2, lock()]], "x[1][1]", id="lists"),
        pytest.param(lambda: (1, (lock(),)), "x[1][0]", id="tuples"),
        pytest.param(lambda: {"a": 1, "b": {"c": lock()}}, "x['b']['c']", id="dicts"),
        pytest.param(lambda: {1: [{"deep": (0, lock())}]}, "x[1][0]['deep'][1]", id="a mixture"),
        pytest.param(lambda: Thing(part=lock()), "x.part", id="an attribute"),
        pytest.param(lambda: Thing(part=[Thing(whole=1, other=lock())]), "x.part[0].other", id="attributes"),
        pytest.param(lambda: slotted(lock()), "x.part", id="a slot"),
        pytest.param(lambda: Thing(part=lock()).method, "x.__self__.part", id="a bound method"),
        pytest.param(lambda: functools.partial(pow, 2, mod=lock()), "x.keywords['mod']", id="a partial's keyword"),
        pytest.param(lambda: functools.partial(pow, lock()), "x.args[0]", id="a partial's argument"),
        pytest.param(closure, "x closure variable 'guard'", id="a closure"),
        pytest.param(
            nested_closure,
            "x closure variable 'inner' closure variable 'guard'",
            id="a closure's closure",
        ),
        pytest.param(lambda: functools.partial(closure()), "x.func closure variable 'guard'", id="a partial's closure"),
        pytest.param(lambda: by_value(lambda: GLOBAL_LOCK), "x global variable 'GLOBAL_LOCK'", id="a global variable"),
        pytest.param(lambda: by_value(lambda guard=GLOBAL_LOCK: guard), "x default <unlocked", id="a default"),
        pytest.param(lambda: {lock()}, "x element <unlocked", id="a set's element"),
        pytest.param(lambda: {lock(): 1}, "x key <unlocked", id="a dict's key"),
    ],
)
def test_error_has_the_path_to_the_culprit(make, path):
    """It names the smallest part that cannot be pickled, as one would write it in Python."""
    with pytest.raises(PayloadError) as caught:
        pickle_object(make(), "x")
    message = str(caught.value)
    assert message.startswith(path)
    assert message.endswith("cannot be pickled: cannot pickle '_thread.lock' object")
    assert isinstance(caught.value.__cause__, TypeError)
    assert isinstance(caught.value, pickle.PicklingError)


def test_culprit_in_a_module_that_is_pickled_by_value_is_found():
    """The path leads through functions that are pickled by value, like the whole object."""
    module = type(sys)("made_here")
    text = "import threading\nLOCK = threading.Lock()\ndef inner(): return LOCK\ndef outer(): return inner()"
    exec(text, vars(module))
    path = "function global variable 'inner' global variable 'LOCK' cannot be pickled"
    with pytest.raises(PayloadError, match=path):
        pickle_object(module.outer, "function")


def test_culprit_without_parts_we_know_of_is_named_by_its_owner():
    """The error names the last known object on the path, and gives the real reason."""
    with pytest.raises(PayloadError, match=r"^x\[0\] cannot be pickled: cannot pickle '_thread\.lock' object$"):
        pickle_object([iter([lock()])], "x")


def test_culprit_in_a_cycle_is_found():
    """The search ends although the object contains itself."""
    thing = Thing(part=lock())
    thing.itself = [thing]
    with pytest.raises(PayloadError, match=r"^x\.part cannot be pickled"):
        pickle_object(thing, "x")


def test_cycle_with_a_culprit_behind_it_is_an_error_all_the_same():
    thing = Thing()
    thing.itself = [thing]
    thing.part = lock()
    with pytest.raises(PayloadError, match=r"cannot pickle '_thread\.lock' object"):
        pickle_object(thing, "x")


class Refuses:
    def __reduce__(self):
        raise ValueError

    def __repr__(self):
        raise RuntimeError("no repr either")


@pytest.mark.parametrize("make", [Refuses, lambda: [Refuses()], lambda: {"key": Refuses()}], ids=["it", "list", "dict"])
def test_any_error_of_a_reducer_is_a_payload_error(make):
    with pytest.raises(PayloadError) as caught:
        pickle_object(make(), "x")
    assert isinstance(caught.value.__cause__, ValueError)


def test_culprit_whose_repr_fails_is_an_error_all_the_same():
    """The message about an element of a set shows the element if possible."""
    with pytest.raises(PayloadError):
        pickle_object({Refuses()}, "x")


def test_generator_is_named_by_its_argument():
    with pytest.raises(PayloadError, match=r"^\(args, kwargs\)\[0\]\[1\] cannot be pickled: cannot pickle 'generator'"):
        pickle_object(((1, (i for i in range(3))), {}), "(args, kwargs)")


# Futures among the arguments.


def test_what_can_be_pickled_has_no_culprit():
    """If the object as a whole cannot be pickled, the caller's message is about the whole."""
    assert locate_culprit([1, {"a": 2}], "x", dump) == ("x", "")


def test_the_smallest_part_is_the_culprit():
    """The error is that of the part, not of its container."""
    path, message = locate_culprit([1, {"a": (2, lock())}], "x", dump)
    assert path == "x[1]['a'][1]"
    assert "cannot pickle '_thread.lock' object" in message


class Proxy:
    """Answers to every attribute with another of its kind, as RPC proxies and query builders do."""

    asked = 0

    def __init__(self):
        self.__dict__["guard"] = lock()

    def __getattr__(self, name):
        if name.startswith("__getnewargs") or name == "__getstate__":
            raise AttributeError(name)
        Proxy.asked += 1
        return Proxy()

    @property
    def costly(self):
        raise AssertionError("the search reads no property")

    def __iter__(self):
        return iter(self.__next__, None)

    def __next__(self):
        return Proxy()


def test_an_object_that_answers_to_every_attribute_is_not_asked():
    """The search for the culprit would not end."""
    with pytest.raises(PayloadError, match=r"^x\[0\]\.guard cannot be pickled: cannot pickle '_thread\.lock' object$"):
        pickle_object([Proxy()], "x")
    asked = Proxy.asked
    pickle_object({"mock": unittest.mock.sentinel.one}, "x")
    with pytest.raises(PayloadError):
        pickle_object([unittest.mock.MagicMock(guard=lock())], "x")
    assert Proxy.asked == asked


class Deep(list):
    """Its pickle contains another of its kind, so that the search finds ever new parts."""

    def __iter__(self):
        raise AssertionError("the search does not ask the object for its items")

    def __reduce__(self):
        raise ValueError("no")


def test_the_search_ends_after_so_many_steps_and_says_so(monkeypatch):
    nested = lock()
    for _ in range(200):
        nested = [nested]
    with pytest.raises(PayloadError, match=r"^x(\[0\]){50} cannot be pickled: cannot pickle '_thread\.lock' object"):
        pickle_object(nested, "x")
    monkeypatch.setattr(culprit, "_PARTS", 3)
    with pytest.raises(PayloadError, match=r"^x cannot be pickled: .*ended here, after too long a time"):
        pickle_object([1, 2, 3, 4, Deep()], "x")


def test_the_search_ends_after_some_seconds(monkeypatch):
    """Pickling a part may take long. The parts that it has looked at are named."""
    monkeypatch.setattr(culprit, "_SECONDS", 0.05)

    class Slow:
        def __reduce__(self):
            time.sleep(0.1)
            return int, ()

    with pytest.raises(PayloadError, match=r"^x cannot be pickled: .*ended here, after too long a time"):
        pickle_object([Slow(), [Slow(), lock()]], "x")


# Paths to a part.


def test_the_path_to_a_part_is_the_shortest():
    part = object()
    deep = [[[part]], {"a": part}]
    assert path_to(lambda one: one is part, [(deep, "args"), ({"x": 1}, "kwargs")]) == "args[1]['a']"
    assert (
        path_to(lambda one: one is part, [(Thing(inner=functools.partial(print, part)), "thing")])
        == "thing.inner.args[0]"
    )


def test_a_part_that_is_not_there_has_no_path(monkeypatch):
    circle: list[object] = []
    circle.append(circle)
    assert path_to(lambda _: False, [(circle, "args")]) is None
    monkeypatch.setattr(culprit, "_PARTS", 2)
    part = object()
    assert path_to(lambda one: one is part, [([[[part]]], "args")]) is None


def test_a_global_variable_that_only_an_inner_function_uses_is_found():
    def function():
        return [GLOBAL_LOCK for _ in range(2)]

    assert path_to(lambda one: one is GLOBAL_LOCK, [(function, "function")]) == "function global variable 'GLOBAL_LOCK'"
