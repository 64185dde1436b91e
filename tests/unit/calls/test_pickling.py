"""Objects become bytes, with futures as references, or one error that names the part that cannot be pickled."""

from __future__ import annotations

import functools
import gc
import pickle
import pkgutil
import subprocess
import sys
import threading
from concurrent.futures import Future

import pytest

from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.errors import PayloadError
from condor_futures.execution_point.unpickling import loads


class Thing:
    """An object with attributes."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


def lock():
    return threading.Lock()


# Objects that cannot be pickled.


def test_nesting_too_deep_for_pickle_says_so():
    """The message is one sentence, not the whole path."""
    nested = []
    for _ in range(50_000):
        nested = [nested]
    with pytest.raises(PayloadError) as caught:
        pickle_object(nested, "(args, kwargs)")
    message = str(caught.value)
    assert len(message) < 500
    assert "nested too deeply" in message


def test_future_is_refused_unless_somebody_knows_its_key():
    """The message says what to do instead."""
    with pytest.raises(PayloadError, match=r"^x\[0\].*future\.result\(\)"):
        pickle_object([Future()], "x")


def test_futures_become_references_at_any_depth():
    """Each future is listed once, however often it occurs, and its value is not needed."""
    one, two = Future(), Future()
    keys = {one: "c000001", two: "c000002"}
    pickled = pickle_object({"a": [one, (two, one)], "b": Thing(part=two), "c": {one}}, "x", keys.__getitem__)
    assert pickled.futures == {"c000001": one, "c000002": two}
    assert b"c000001" in bytes(pickled.segments[0])
    assert b"c000002" in bytes(pickled.segments[0])


# Buffers.


class Buffer:
    """Large data that pickles out of band, as a numpy array does."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Buffer, (pickle.PickleBuffer(self.data),)


def test_large_buffer_is_not_copied():
    """The pickle holds a view of the object's own memory until it is written to the file."""
    data = bytearray(1 << 20)
    pickled = pickle_object([Buffer(data)], "x")
    head, view = pickled.segments
    assert len(head) < 10_000
    data[5] = 42
    assert (view.nbytes, view[5]) == (1 << 20, 42)
    view.release()


def test_pickle_in_a_cycle_is_collected_quietly(monkeypatch):
    """The garbage collector prints nothing on standard error."""
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    cycle = [pickle_object([1, 2], "x")]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert not complaints


def test_numpy_array_is_not_copied():
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros((1000, 100))
    head, view = pickle_object({"array": array}, "x").segments
    array[0, 0] = 1.0
    assert len(head) < 1000
    assert bytes(view) == array.tobytes()


def test_pickled_is_what_the_runner_unpickles():
    """The runner's own function reads it, including the buffers."""
    pickled = pickle_object({"a": Buffer(bytearray(b"buffer")), "b": [1, 2]}, "x")
    assert isinstance(pickled, Pickled)
    value = loads([bytes(segment) for segment in pickled.segments])
    assert (bytes(value["a"].data), value["b"]) == (b"buffer", [1, 2])


def test_generic_functions_of_the_main_program_keep_all_their_implementations(tmp_path):
    """Those that call them, and those that other modules register."""
    (tmp_path / "script.py").write_text("""
import functools, sys
from condor_futures.calls.pickling import pickle_object

@functools.singledispatch
def describe(thing):
    "Say what it is."
    return "something"

@describe.register
def _(thing: list):
    return [describe(item) for item in thing]

@describe.register(int)
@describe.register(float)
def number(thing):
    return "number", describe(str(thing))

class Scale:
    @functools.singledispatchmethod
    def weigh(self, thing):
        return 1

    @weigh.register
    def _(self, thing: list):
        return sum(map(self.weigh, thing))

@describe.register
def text(thing: str):
    return "text"

@functools.lru_cache(maxsize=7)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def use(thing):
    about = describe.__name__, describe.__doc__
    return describe(thing), about, describe.dispatch(bool) is number, Scale().weigh([thing]), fib(20)

sys.stdout.buffer.write(pickle_object(use, "function").segments[0])
""")
    # (-bb: Python does not compare bytes with text either)
    done = subprocess.run([sys.executable, "-bb", tmp_path / "script.py"], capture_output=True, check=True)
    use = pickle.loads(done.stdout)
    assert use([1.5, ["a", None]]) == (
        [("number", "text"), ["text", "something"]],
        ("describe", "Say what it is."),
        True,
        3,
        6765,
    )
    assert use.__globals__["fib"].cache_parameters()["maxsize"] == 7
    with pytest.raises(TypeError, match="describe requires at least 1 positional argument"):
        use.__globals__["describe"]()


def test_generic_function_that_is_installed_goes_by_its_name():
    """Any installed function does."""
    installed = pkgutil.iter_importer_modules
    assert pickle.loads(pickle_object(installed, "function").segments[0]) is installed
    generic = functools.singledispatch(lambda thing: thing)
    assert pickle.loads(pickle_object(generic, "function").segments[0])(3) == 3


def test_code_keeps_the_name_of_its_file():
    """Otherwise, nobody could tell from a remote traceback where a line is."""
    assert pickle.loads(pickle_object(lambda: 1, "function").segments[0]).__code__.co_filename == __file__


class Loud(functools.cached_property):
    """A class that users write."""

    def __get__(self, instance, owner=None):
        return "loud", super().__get__(instance, owner)


def test_a_cached_property_of_another_kind_does_not_become_a_plain_one():
    """If it cannot travel (it has a lock, up to Python 3.11), that is an error."""
    kind = type("Table", (), {"size": Loud(lambda self: 3)})
    try:
        again = pickle.loads(pickle_object(kind, "function").segments[0])
    except PayloadError:
        assert sys.version_info < (3, 12)
    else:
        assert again().size == ("loud", 3)
