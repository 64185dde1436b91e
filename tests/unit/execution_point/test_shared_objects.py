"""A job takes shared objects from its sandbox, or from the client's directory, and checks them before it unpickles."""

from __future__ import annotations

import array
import functools
import os
import pickle
import shutil
from pathlib import Path

import pytest
from sandbox import BUNDLE, SECRET, SESSION, Sandbox

from condor_futures.calls.calls_file import Call, write_bundle
from condor_futures.calls.code import CodePacker
from condor_futures.calls.making import LARGE, CallPickler
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import BrokenCondorExecutor, SharedObjectError
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session

pytestmark = pytest.mark.usefixtures("by_value")


@pytest.fixture
def job(tmp_path):
    (tmp_path / "job").mkdir()
    return Sandbox(tmp_path / "job")


@pytest.fixture
def session(tmp_path):
    return Session.create(tmp_path / "session")


@pytest.fixture
def share(session):
    return CallPickler(pickle_object, Shipping([]), session.shared, CodePacker(session)).share


class Loud:
    """Notes when it is unpickled."""

    def __reduce__(self):
        return note, ()


def note():
    with Path("unpickled").open("a") as file:
        file.write(f"{os.getpid()}\n")
    return Loud()


class Buffer:
    """Has an out-of-band buffer, as an array of numpy has."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Buffer, (pickle.PickleBuffer(self.data),)


def of(value, *_):
    return value


def identity(value):
    return id(value), os.getpid()


def is_read_only(buffer):
    return memoryview(buffer.data).readonly


@pytest.mark.parametrize("place", ["sandbox", "client"])
def test_a_handle_is_the_object_in_the_job(job, session, share, place):
    data = array.array("d", range(1000))
    handle = share({"data": data})
    options = {"objects": session.objects} if place == "client" else {}
    if place == "sandbox":
        shutil.copy(session.objects / handle.name, job.path)
    values = job.run(
        (of, handle),
        (lambda part=handle: part,),
        (functools.partial(of, [1, (handle,)]),),
        (of, {"a": handle}),
        shared=session.shared,
        **options,
    )
    assert values == [{"data": data}, {"data": data}, [1, ({"data": data},)], {"a": {"data": data}}]


def test_calls_of_one_process_get_the_same_object_and_others_another_one(job, session, share):
    handle = share(Loud())
    calls = [(identity, handle)] * 4
    values = job.run(*calls, shared=session.shared, objects=session.objects, max_tasks_per_child=2)
    assert len(set(values)) == 2
    assert len((job.path / "unpickled").read_text().split()) == 2


def test_buffers_are_read_only(job, session, share):
    handle = share(Buffer(bytearray(1000)))
    assert job.run((is_read_only, handle), shared=session.shared, objects=session.objects) == [True]


def test_objects_in_objects_and_functions(job, session, share):
    inner = share([1, 2, 3])
    outer = share(functools.partial(max, inner))
    assert job.run((outer, [2, 3, 4]), shared=session.shared, objects=session.objects) == [[2, 3, 4]]


def test_a_damaged_object_fails_the_calls_that_take_it(job, session, share):
    handle = share(Loud())
    path = session.objects / handle.name
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    first, second, third = job.run(
        (of, handle), (abs, -3), (of, handle), shared=session.shared, objects=session.objects
    )
    for error in (first, third):
        assert isinstance(error, SharedObjectError)
        assert f"the shared object {handle.name[:12]}, an argument of the call, is damaged (on " in str(error)
        assert "); share() the object again, and submit the call again" in str(error)
    assert second == 3
    assert not (job.path / "unpickled").exists()
    assert job.status == 0


def test_a_good_copy_counts_where_another_is_damaged(job, session, share):
    handle = share([1, 2])
    (job.path / handle.name).write_bytes(b"damaged")
    assert job.run((of, handle), shared=session.shared, objects=session.objects) == [[1, 2]]
    assert not (job.path / handle.name).exists()


@pytest.mark.parametrize("there", ["nothing", "pipe", "directory"])
def test_an_object_that_is_not_there(job, session, share, there):
    handle = share([1, 2])
    path = session.objects / handle.name
    path.unlink()
    if there != "nothing":
        (os.mkfifo if there == "pipe" else os.mkdir)(path)
    [error] = job.run((of, handle), shared=session.shared, objects=session.objects)
    assert isinstance(error, SharedObjectError)
    assert "is not at the execution point" in str(error)


def test_a_large_function_may_change_itself(job, session):
    """It was not shared by the user, so it is as it would be in a process pool."""
    pickler = CallPickler(pickle_object, Shipping([]), session.shared, CodePacker(session))
    function = pickler.function(functools.partial(change, Buffer(bytearray(LARGE))))
    call = Call("c000000", function, pickler.arguments((), {}))
    with (job.path / f"{BUNDLE}.calls").open("wb") as file:
        write_bundle(file, [call], session=SESSION, bundle=BUNDLE, secret=SECRET, objects=session.objects)
    job.finish()
    assert job.results() == [7]


def change(buffer):
    memoryview(buffer.data)[3] = 7
    return max(memoryview(buffer.data))


def test_a_large_initializer(job, session):
    pickler = CallPickler(pickle_object, Shipping([]), session.shared, CodePacker(session))
    once = pickler.once(pickle_object((load, (bytes(LARGE),)), "(initializer, initargs)"), "initializer")
    assert list(once.shared)
    options = {"pickled_initializer": once, "objects": session.objects, "shared": session.shared}
    assert job.run((loaded,), (loaded,), **options) == [LARGE, LARGE]
    (session.objects / next(iter(once.shared))).unlink()
    job.outcomes_file.unlink()
    [error] = job.run((loaded,), **options)
    assert isinstance(error, BrokenCondorExecutor)
    assert "is not at the execution point" in str(error)


def load(data):
    os.environ["LOADED"] = str(len(data))


def loaded():
    return int(os.environ["LOADED"])
