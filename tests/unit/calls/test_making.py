"""Functions and arguments become calls, and calls become the files of a bundle."""

from __future__ import annotations

import functools
import gc
import re
import threading
import weakref
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from condor_futures import procid, shell
from condor_futures.calls import making
from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner
from condor_futures.calls.code import CodePacker
from condor_futures.calls.making import CallPickler, batched, check_cluster, refuse_shell, shared_by, write_files
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import PayloadError
from condor_futures.execution_point.frames import read_frames, skim
from condor_futures.options.options import Options
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session
from condor_futures.state_machine.states import Job


@pytest.fixture
def session(tmp_path):
    return Session.create(tmp_path / "session")


@pytest.fixture
def pickler(session):
    return CallPickler(lambda future: f"c{id(future):x}", Shipping([]), session.shared, CodePacker(session))


def bundle_of(session, **options):
    directory = session.bundle_directory(0)
    return Bundle("b000000", directory, Options(spool=True, **{"commands": {}, **options}), {}, Job("b000000", True))


def calls_in(pickler, *numbers):
    function = pickler.function(abs)
    return [Call(f"c{number}", function, pickler.arguments((number,), {})) for number in numbers]


# Functions and arguments.


@pytest.mark.parametrize(
    ("fn", "sentence"),
    [
        (3, r"'int' object is not callable; submit\(f, x\) makes the call f\(x\) in a job"),
        ("ls -l", r"'str' object is not callable; shell\(\) makes a shell command callable"),
    ],
)
def test_what_cannot_be_called_is_refused(pickler, fn, sentence):
    """Otherwise, the call would fail only in its job."""
    with pytest.raises(TypeError, match=sentence):
        pickler.function(fn)


def test_the_value_of_a_future_may_be_a_function(pickler):
    """The client accepts it as a function until the value is known."""
    future = Future()
    assert list(pickler.function(future).futures.values()) == [future]


def test_futures_among_the_arguments_are_known(pickler):
    """The executor's keys identify them."""
    one, two = Future(), Future()
    futures = pickler.arguments((1, [one]), {"key": {"two": two}}).futures
    assert futures == {f"c{id(one):x}": one, f"c{id(two):x}": two}


def test_an_error_says_which_argument_it_is(pickler):
    with pytest.raises(PayloadError, match=r"^\(args, kwargs\)\[1\]\['guard'\] cannot be pickled"):
        pickler.arguments((), {"guard": threading.Lock()})
    with pytest.raises(PayloadError, match=r"^function\.args\[0\] cannot be pickled"):
        pickler.function(functools.partial(abs, threading.Lock()))


@dataclass
class Sample:
    """Arguments may be instances."""

    data: object
    label: str = "sample"


@pytest.mark.parametrize(
    "within",
    [
        lambda handle: handle,
        lambda handle: [1, {"a": (handle,)}],
        Sample,
        lambda handle: functools.partial(max, handle),
        lambda handle: lambda: handle,
        lambda handle: lambda part=handle: part,
        lambda handle: Sample(handle).__repr__,
    ],
    ids=["itself", "containers", "dataclass", "partial", "closure", "default", "bound method"],
)
def test_handles_are_found_at_any_depth(pickler, within):
    handle = pickler.share(bytearray(1000))
    assert pickler.arguments((within(handle),), {}).shared == {handle.name: handle.size}
    function = within(handle)
    call = Call("c0", pickler.function(function if callable(function) else abs), pickler.arguments((handle,), {}))
    assert call.shared == {handle.name: handle.size}


def test_a_shared_function_can_be_called(pickler):
    handle = pickler.share(functools.partial(pow, 2))
    assert pickler.function(handle).shared == {handle.name: handle.size}


def test_a_shared_object_can_contain_others(pickler):
    inner = pickler.share([1, 2])
    outer = pickler.share({"inner": inner})
    assert pickler.arguments((outer,), {}).shared == {inner.name: inner.size, outer.name: outer.size}


def test_a_handle_of_another_session_is_refused(pickler, tmp_path):
    session = Session.create(tmp_path / "other")
    other = CallPickler(pickler.key_of, pickler.ship, session.shared, CodePacker(session))
    handle = other.share([1, 2])
    for pickle in (lambda: pickler.arguments(([handle],), {}), lambda: pickler.share([handle])):
        with pytest.raises(ValueError, match=r"list of .* was shared by an executor of another session; share\(\) the"):
            pickle()


def test_an_object_that_cannot_be_shared_is_a_payload_error(pickler, session):
    with pytest.raises(PayloadError, match=r"the object\['lock'\] cannot be pickled: cannot pickle '_thread.lock'"):
        pickler.share({"lock": threading.Lock()})
    with pytest.raises(PayloadError, match=r"the object\[0\] cannot be pickled: the value of a Future cannot be sent"):
        pickler.share([Future()])
    session.objects.write_text("not a directory")
    with pytest.raises(PayloadError, match=r"a shared object cannot be written to .*/objects: "):
        pickler.share([1])


def test_handles_are_no_arguments_of_an_initializer(pickler):
    handle = pickler.share([1, 2])
    with pytest.raises(PayloadError, match="can only be an argument of a call; pass the object itself here"):
        pickle_object((print, (handle,)), "(initializer, initargs)")


def test_the_file_of_calls_says_which_objects_each_call_takes(session, pickler):
    handle = pickler.share([1, 2])
    calls = [Call("c0", pickler.function(len), pickler.arguments((handle,), {})), *calls_in(pickler, 1)]
    bundle = bundle_of(session)
    write_files(session, bundle, calls, Manner(), outcomes=False)
    headers = headers_of(bundle)
    assert headers[0]["objects"] == str(session.objects)
    assert [header.get("shared") for header in headers if header["kind"] == "call"] == [
        {handle.name: handle.size},
        None,
    ]
    assert shared_by(calls, Manner()) == [handle.name]


@pytest.mark.parametrize(
    "make",
    [lambda: functools.partial(max, bytearray(making.LARGE)), lambda: Sample(bytes(making.LARGE)).__repr__],
    ids=["partial", "bound method"],
)
def test_a_large_function_is_stored_once(pickler, session, make):
    first, second = pickler.function(make()), pickler.function(make())
    [name] = first.shared
    assert second.shared == first.shared
    assert first.size < 300
    assert [path.name for path in session.objects.iterdir()] == [name]
    assert pickler.function(functools.partial(max, bytearray(1000))).shared == {}


def test_a_large_function_of_which_each_call_has_another_one_is_not_shared(pickler, session):
    buffer = bytearray(making.LARGE)
    assert pickler.function(functools.partial(max, buffer, procid), numbered=True).shared == {}
    assert pickler.function(functools.partial(max, buffer, Future())).shared == {}
    assert pickler.function(functools.partial(max, buffer), numbered=True).shared != {}


def test_a_large_function_can_take_shared_objects(pickler):
    handle = pickler.share([1, 2])
    assert handle.name in pickler.function(functools.partial(max, bytearray(making.LARGE), handle)).shared


def test_a_large_initializer_is_a_shared_object_of_all_calls(session, pickler):
    initializer = pickler.once(
        pickle_object((print, (bytearray(making.LARGE),)), "(initializer, initargs)"), "initializer"
    )
    manner = Manner(initializer=initializer)
    assert shared_by(calls_in(pickler, 1), manner) == list(initializer.shared)
    bundle = bundle_of(session)
    write_files(session, bundle, calls_in(pickler, 1), manner, outcomes=False)
    assert headers_of(bundle)[0]["shared"] == initializer.shared


def headers_of(bundle):
    with bundle.path("calls").open("rb") as file:
        return [header for header, _, _ in skim(file)]


def test_only_calls_of_clusters_have_numbers(pickler):
    with pytest.raises(PayloadError, match=r"only in the calls of submit_cluster\(\)"):
        pickler.arguments((procid,), {})
    assert pickler.arguments((procid,), {}, cluster=1).segments


def test_shell_itself_is_no_function_of_a_call():
    """The job would make a callable, and run nothing."""
    for check in (refuse_shell, lambda fn: check_cluster(fn, 2)):
        with pytest.raises(TypeError, match=r"not submit\(shell, 'ls -l'\)"):
            check(shell)
        check(shell("ls -l"))


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_a_cluster_has_one_job_at_least(count, error):
    with pytest.raises(error, match=r"^count must be"):
        check_cluster(abs, count)


# Batches.


def test_batches_have_all_items_in_order():
    assert list(batched(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched(iter(()), 3)) == []


def test_a_batch_is_kept_by_whoever_took_it():
    """Its items may be large."""

    class Item:
        pass

    batches = batched((Item() for _ in range(4)), 2)
    first = weakref.ref(next(batches)[0])
    gc.collect()
    assert first() is None
    assert len(next(batches)) == 2


# Files.


def test_the_options_of_a_bundle_are_beside_its_calls(session, pickler):
    """A client that attaches to the session finds them there, with the information for its job."""
    bundle = bundle_of(session, commands={"request_cpus": "2"}, discard=True)
    write_files(session, bundle, calls_in(pickler, 1, 2), Manner(scratch=True, after=["c7"]), outcomes=False)
    with bundle.path("calls").open("rb") as file:
        (head, _), *others = read_frames(file, session.secret)
    assert (head["session"], head["bundle"], head["discard"]) == (session.id, "b000000", True)
    assert (head["scratch"], head["after"]) == (True, ["c7"])
    assert Options.from_record(head["options"]).commands == {"request_cpus": "2"}
    assert [header["kind"] for header, _ in others] == ["function", "call", "call"]
    assert not bundle.path("outcomes").exists()


def test_the_outcomes_of_earlier_attempts_have_a_file_before_the_first(session, pickler, monkeypatch):
    """The file is an input file of the job. It exists before anyone can find the calls."""
    seen = []
    write = making.write_bundle

    def look(*args, **options):
        seen.append(bundle.path("outcomes").read_bytes())
        write(*args, **options)

    monkeypatch.setattr(making, "write_bundle", look)
    bundle = bundle_of(session)
    write_files(session, bundle, calls_in(pickler, 1), Manner(), outcomes=True)
    assert seen == [b""]


def test_files_that_cannot_be_written_are_a_payload_error(session, pickler):
    """The error names the place. It leaves no calls that another client could find."""
    bundle = bundle_of(session)
    bundle.directory = bundle.directory / "gone"
    with pytest.raises(PayloadError, match=re.escape(f"a call cannot be written to {session.directory}: No such file")):
        write_files(session, bundle, calls_in(pickler, 1), Manner(), outcomes=True)
