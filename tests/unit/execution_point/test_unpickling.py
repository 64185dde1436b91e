"""Arguments and results are the same in the job and on the client. Pickles of all versions are readable."""

from __future__ import annotations

import enum
import importlib
import io
import os
import pickle
import sys
from concurrent.futures import Future

import pytest
from sandbox import (
    BUNDLE,
    SECRET,
    SESSION,
)

from condor_futures import ShellError, procid, shell
from condor_futures.calls.calls_file import Call, append_value, copy_outcome, write_bundle
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.execution_point.frames import read_frames
from condor_futures.execution_point.unpickling import Unpickler

pytestmark = pytest.mark.usefixtures("by_value")


class Buffer:
    """Large data that pickles out of band, as a numpy array does."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Buffer, (pickle.PickleBuffer(self.data),)


def test_large_buffer_travels_out_of_band(job):
    """In both directions, it is a segment of its own, not part of the pickle."""
    data = bytearray(os.urandom(1 << 20))
    [value] = job.run((lambda buffer: Buffer(bytearray(buffer.data[::-1])), Buffer(data)))
    assert bytes(value.data) == bytes(data[::-1])
    pickled, *buffers = job.outcomes()["c000000"].segments
    assert len(pickled) < 10_000
    assert [len(buffer) for buffer in buffers] == [len(data)]
    with (job.path / f"{BUNDLE}.calls").open("rb") as file:
        [segments] = [segments for header, segments in read_frames(file) if header["kind"] == "call"]
    assert [len(segment) for segment in segments[1:]] == [len(data)]


def test_numpy_array_travels_out_of_band(job):
    numpy = pytest.importorskip("numpy")
    job.install([sys.executable])
    array = numpy.arange(1 << 17, dtype="f8").reshape(1 << 7, -1)
    [value] = job.run((lambda array: array * 2, array))
    assert (value == array * 2).all()
    pickled, *buffers = job.outcomes()["c000000"].segments
    assert len(pickled) < 10_000
    assert [len(buffer) for buffer in buffers] == [array.nbytes]


def test_arrays_are_as_writable_as_they_were(job):
    """A call may change its arguments in place, and the client its results. Read-only data stays read-only."""
    numpy = pytest.importorskip("numpy")
    job.install([sys.executable])
    fixed = numpy.zeros(3)
    fixed.flags.writeable = False

    def add_one(array, fixed):
        array += 1
        return array, fixed.flags.writeable

    [(value, writeable)] = job.run((add_one, numpy.arange(3.0), fixed))
    value += 1
    assert (list(value), writeable) == ([2, 3, 4], False)


def test_future_among_the_arguments_is_the_value_of_its_call(job, parent):
    """The parents' outcomes come with the calls. They are unpickled in place, at any depth."""
    futures = {Future(): "c000100", Future(): "x000001"}
    one, other = futures
    job.write(
        (lambda structure, more: structure["sum"][0] + more, {"sum": [one]}, other),
        (pow, one, 2),
        key_of=futures.__getitem__,
    )
    with (job.path / f"{BUNDLE}.calls").open("ab") as file:
        copy_outcome(file, "c000100", parent)
        append_value(file, "x000001", 1, session=SESSION, secret=SECRET)
        append_value(file, "c000100", "another outcome", session=SESSION, secret=SECRET)  # the first one counts
    job.finish()
    assert job.results() == [1025, 1024**2]


def run_with_an_altered_parent(job, parent):
    job.write((abs, Future()), (pow, 2, 2), key_of=lambda future: "c000100")
    with (job.path / f"{BUNDLE}.calls").open("ab") as file:
        file.write(parent.read_bytes()[:-1] + b"x")
    job.finish()
    return job.results()


def test_outcome_of_a_parent_that_was_altered_is_refused(job, parent):
    """Here too, the tag is checked before unpickling. The call fails, and the next one does not."""
    error, value = run_with_an_altered_parent(job, parent)
    assert isinstance(error, Exception)
    assert value == 4


def test_error_about_an_altered_parent_says_so(job, parent):
    error, _ = run_with_an_altered_parent(job, parent)
    assert "altered" in str(error)


class Counter:
    """A class that travels by value, like those of a script and of a notebook."""

    made = 0
    registered = []  # noqa: RUF012

    def __init_subclass__(cls) -> None:
        Counter.registered.append(cls.__name__)

    def count(self):
        type(self).made += 1
        return self.made


class Mood(enum.Enum):
    GOOD = 1


def test_what_is_set_on_a_class_stays(job):
    """It keeps what the initializer and earlier calls have set on it, although it comes with each call."""

    def begin():
        Counter.made = 10

    def count(counter):
        return counter.count(), Counter.made

    assert job.run(*[(count, Counter())] * 3, initializer=(begin,)) == [(11, 11), (12, 12), (13, 13)]


def test_values_leave_the_classes_of_the_client_alone(job):
    """A returned object has the class of the client, which stays unchanged and does not appear to be defined again."""

    def make(counter):
        counter.count()
        return counter, Mood.GOOD, type(counter)

    before = dict(vars(Counter))
    Sub = type("Sub", (Counter,), {})  # noqa: N806
    registered = list(Counter.registered)
    (counter, mood, cls), (sub, _, _) = job.run((make, Counter()), (make, Sub()))
    assert (type(counter), cls, type(sub), mood) == (Counter, Counter, Sub, Mood.GOOD)
    assert dict(vars(Counter)) == before
    assert Counter.registered == registered


def test_arguments_go_when_the_call_has_ended(job):
    """They do not wait for the garbage collector, even if their class travels."""

    class Noisy:
        def __del__(self):
            print("gone")

    def use(_):
        import gc

        gc.disable()

    job.run((use, Noisy()), (pow, 2, 3))
    assert job.stream("stdout", "c000000") == "gone\n"


def test_class_that_only_the_call_made_comes_back(job):
    """It is complete."""

    def make():
        class Point:
            x = 3

            def double(self):
                return 2 * self.x

        return Point(), Point

    ((point, cls),) = job.run((make,))
    assert type(point) is cls
    assert point.double() == 6


# Names in pickles.

NAMES = [
    ("unpickling", "value_of_call"),
    ("unpickling", "number_in_cluster"),
    ("rebuilding", "cached"),
    ("rebuilding", "dispatching"),
    ("rebuilding", "register_all"),
    ("rebuilding", "travelled_module"),
    ("rebuilding", "set_variables"),
    ("frames", "FrameError"),
    ("shell", "Shell"),
    ("shell", "ShellError"),
    ("shell", "shell"),
]


def names_of(module, name):
    """Return the modules in which pickles of all versions, of clients and of jobs, look for *name*."""
    earlier = "shell" if module == "shell" else "runner"
    return [
        f"condor_futures.execution_point.{module}",
        f"condor_futures_execution_point.{module}",
        f"condor_futures.{earlier}",
        f"condor_futures_{earlier}",
    ]


def pickle_of(module, name) -> bytes:
    """Return the pickle of the name of a global."""
    return f"c{module}\n{name}\n.".encode()


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_client_finds_what_pickles_of_all_versions_name(module, name):
    """Users keep sessions, and attach to them and inspect them later."""
    expected = getattr(importlib.import_module(f"condor_futures.execution_point.{module}"), name)
    for named in names_of(module, name):
        assert Unpickler(io.BytesIO(pickle_of(named, name))).load() is expected, named


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_job_finds_what_pickles_of_all_versions_name(job, module, name):
    """Jobs of an old session may be submitted again, or take values that old jobs returned."""

    def describe(*found):
        return [(one.__module__, one.__name__) for one in found], all(one is found[0] for one in found)

    names = names_of(module, name)
    globals_ = b"".join(pickle_of(named, name)[:-1] for named in names)
    arguments = b"((" + globals_ + b"t}t."  # like the tuple of a tuple and an empty dictionary
    call = Call("c000000", pickle_object(describe, "function"), Pickled([arguments]))
    with (job.path / f"{BUNDLE}.calls").open("wb") as file:
        write_bundle(file, [call], session=SESSION, bundle=BUNDLE, secret=SECRET)
    job.finish()
    [(found, same)] = job.results()
    assert found == [(f"condor_futures_execution_point.{module}", name)] * len(names)
    assert same


def test_number_in_the_cluster_is_that_of_the_call(job):
    calls = [
        Call(
            f"c00000{number}",
            pickle_object(pow, "function"),
            pickle_object(((2, procid), {}), "arguments", numbered=True),
            number,
        )
        for number in (3, 4)
    ]
    with (job.path / f"{BUNDLE}.calls").open("wb") as file:
        write_bundle(file, calls, session=SESSION, bundle=BUNDLE, secret=SECRET)
    job.finish()
    assert job.results() == [8, 16]


def test_shell_command_and_its_error_have_the_clients_names_here(job):
    """In a job, they are in a module of the job's package."""
    done, error, command = job.run((shell("echo $1"), "word"), (shell("exit 3"),), (shell, "true"))
    assert done.stdout == "word\n"
    assert (type(error), error.returncode) == (ShellError, 3)
    assert type(command) is type(shell("true"))


def test_what_was_set_in_this_process_is_found_after_a_call_has_cleared_the_modules(job, parent):
    """The modules would be imported again, without the state of the bundle."""

    def clear():
        sys.modules.clear()

    job.write((clear,), (abs, Future()), key_of=lambda future: "c000100")
    with (job.path / f"{BUNDLE}.calls").open("ab") as file:
        copy_outcome(file, "c000100", parent)
    job.finish()
    assert job.results()[1] == 1024
