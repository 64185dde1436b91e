"""A warm job fetches each shared object once through the line, and a call that takes it waits for it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from chirp_proxy import BAD_DESCRIPTOR, OFFLINE
from sandbox import kill_itself
from support import until

from condor_futures.calls.code import CodePacker
from condor_futures.calls.making import CallPickler
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import JobCrashedError, SharedObjectError
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session

pytestmark = [pytest.mark.usefixtures("by_value"), pytest.mark.timeout(60)]


@pytest.fixture
def session(tmp_path):
    return Session.create(tmp_path / "session")


@pytest.fixture
def share(session):
    return CallPickler(pickle_object, Shipping([]), session.shared, CodePacker(session)).share


@pytest.fixture
def far_job(warm_job):
    """A job that does not see the files of the access point."""
    warm_job.proxy.alias = "/access/point"
    return warm_job


def measure(data, *_):
    return len(data), hash(bytes(data)), os.getpid()


def of(value, *_):
    return value


def lent(job, handle) -> Path:
    """The file that the job fetches."""
    return job.directory / handle.name


def damage(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()  # it is a link
    path.write_bytes(data[:-50] + bytes(50))


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-50])


def test_an_object_is_fetched_once_for_all_calls(far_job, session, share):
    data = os.urandom(3_500_000)
    handle = share(data)
    far_job.begin()
    values = far_job.make(*[(measure, handle, number) for number in range(5)], shared=session.shared)
    assert {value[0] for value in values} == {len(data)}
    assert len(set(values)) == 1
    assert far_job.proxy.requests.count("read") == 4  # pieces
    assert isinstance(far_job.make((kill_itself, 9))[0], JobCrashedError)
    [again] = far_job.make((measure, handle), shared=session.shared)
    assert again[:1] == values[0][:1]
    assert again[2] != values[0][2]  # another process
    assert far_job.proxy.requests.count("read") == 4
    assert far_job.leave() == 0


def test_a_job_that_sees_the_file_does_not_fetch_it(warm_job, session, share):
    handle = share(list(range(1000)))
    warm_job.begin()
    assert warm_job.make((of, handle), shared=session.shared) == [list(range(1000))]
    assert "read" not in warm_job.proxy.requests


def test_calls_stay_in_their_order(far_job, session, share):
    """The client takes the first of them without an outcome for the one that is being made."""
    handle = share(os.urandom(2_000_000))
    far_job.begin()
    keys = far_job.give((of, 1), (measure, handle), (of, 2), (measure, handle), shared=session.shared)
    far_job.wait_for(keys)
    assert far_job.brought_so_far() or list(far_job.arrived) == keys


def test_calls_that_wait_for_an_object_can_be_recalled_and_cancelled(far_job, session, share):
    handle = share(os.urandom(2_000_000))
    far_job.begin()
    far_job.proxy.stand_still()
    keys = far_job.give(*[(measure, handle)] * 4, shared=session.shared)
    far_job.say(kind="cancel", call=keys[0])
    far_job.say(kind="recall", calls=2)
    far_job.proxy.go_on()
    assert far_job.wait_for_frame("returned")["calls"] == keys[2:]
    assert far_job.wait_for([keys[1]])[0][0] == 2_000_000
    assert keys[0] not in far_job.arrived


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (Path.unlink, "cannot be fetched: the access point refuses 'open': Chirp error -3"),
        (cut, "is damaged: its file at the access point is truncated"),
        (damage, "is damaged"),
    ],
    ids=["removed", "truncated", "altered"],
)
def test_an_object_that_cannot_be_had_fails_its_calls_until_it_is_there_again(far_job, session, share, harm, reason):
    handle = share([1, 2, 3])
    far_job.begin()
    stored, keys = far_job.store((of, handle), (of, 4), (of, handle), shared=session.shared)
    harm(lent(far_job, handle))
    far_job.connection.hand_out(stored, keys)
    assert far_job.connection.send()
    first, other, second = far_job.wait_for(keys)
    assert other == 4
    for error in (first, second):
        assert isinstance(error, SharedObjectError)
        assert f"the shared object {handle.name[:12]}, an argument of the call, {reason} (on " in str(error)
    lent(far_job, handle).unlink(missing_ok=True)
    assert far_job.make((of, handle), shared=session.shared) == [[1, 2, 3]]
    assert far_job.leave() == 0


def test_an_object_that_cannot_be_stored(far_job, session, share):
    handle = share([1, 2, 3])
    far_job.begin()
    (far_job.path / f"{handle.name}.part").mkdir()
    [error] = far_job.make((of, handle), shared=session.shared)
    assert isinstance(error, SharedObjectError)
    assert "cannot be stored at the execution point: " in str(error)
    assert far_job.make((of, 4)) == [4]


@pytest.mark.parametrize(
    "fault",
    [
        lambda proxy: proxy.cut_replies(100, 300_000, 0),
        lambda proxy: proxy.refuse(BAD_DESCRIPTOR, 2, "read"),
        lambda proxy: proxy.refuse(OFFLINE, 3, "read"),
        lambda proxy: proxy.refuse(OFFLINE, 2, "lseek"),
        lambda proxy: (proxy.cut_replies(500_000), proxy.refuse(BAD_DESCRIPTOR, 1, "lseek")),
    ],
    ids=["cut", "other descriptor", "offline", "offline when it begins again", "cut, and another shadow"],
)
def test_faults_of_the_line_delay_an_object(far_job, session, share, fault):
    data = os.urandom(2_500_000)
    handle = share(data)
    far_job.begin()
    fault(far_job.proxy)
    [value] = far_job.make((measure, handle), shared=session.shared)
    assert value[0] == len(data)
    assert far_job.leave() == 0
    assert far_job.proxy.exits == 0


def test_another_shadow_comes_while_an_object_is_fetched(far_job, session, share):
    data = os.urandom(30_000_000)
    handle = share(data)
    far_job.begin()
    thread = threading.Thread(target=lambda: until(lambda: "read" in far_job.proxy.requests, 30, 0.001))
    thread.start()
    keys = far_job.give((of, handle), shared=session.shared)
    thread.join()
    far_job.proxy.new_shadow()
    assert far_job.wait_for(keys) == [data]
    assert far_job.proxy.open_files <= 5


def test_no_more_is_fetched_than_the_call_says(far_job, session, share):
    """A hostile job may have appended to its copy."""
    handle = share([1, 2, 3])
    far_job.begin()
    stored, keys = far_job.store((of, handle), shared=session.shared)
    data = lent(far_job, handle).read_bytes()
    lent(far_job, handle).unlink()
    lent(far_job, handle).write_bytes(data + bytes(10_000_000))
    far_job.connection.hand_out(stored, keys)
    assert far_job.connection.send()
    assert far_job.wait_for(keys) == [[1, 2, 3]]
    assert (far_job.path / handle.name).stat().st_size == handle.size


def test_a_large_initializer_is_fetched_before_the_first_call(far_job, session):
    pickler = CallPickler(pickle_object, Shipping([]), session.shared, CodePacker(session))
    once = pickler.once(pickle_object((load, (bytes(3 << 20),)), "(initializer, initargs)"), "initializer")
    session.shared.lend(next(iter(once.shared)), far_job.directory)
    far_job.open(pickled=once)
    far_job.begin()
    assert far_job.make((loaded,), (loaded,)) == [3 << 20] * 2
    assert far_job.proxy.requests.count("read") == 4


def load(data):
    os.environ["LOADED"] = str(len(data))


def loaded():
    return int(os.environ["LOADED"])
