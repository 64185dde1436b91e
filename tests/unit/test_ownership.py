"""The check refuses changes by a thread that is not the owner. In the tests, it is on."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from condor_futures import ownership
from condor_futures.calls.bundle import Bundle
from condor_futures.options.options import Options
from condor_futures.ownership import Owner, WrongThreadError, changes, owned, reads
from condor_futures.resolving.counts import Counts
from condor_futures.state_machine.states import Job


@owned()
class Shelf:
    """Owns books and a lamp."""

    def __init__(self):
        self.books = []
        self.lamp = Lamp()

    def put(self, book):
        self.books.append(book)

    @reads
    def count(self):
        return len(self.books)


@owned(methods=False)
class Lamp:
    """The check covers only its attributes, and the marked method."""

    def __init__(self):
        self.on = False
        self.bulbs = []

    def look(self):
        return self.on

    @changes()
    def mend(self):
        self.bulbs.append("new")


@pytest.fixture
def other():
    """Another thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="another") as thread:
        yield lambda call: thread.submit(call).result()


def test_the_tests_run_with_the_checks_on():
    assert ownership.CHECKED


def test_a_wrong_thread_is_refused(other):
    """The message names the thread, the change and the owner."""
    shelf, owner = Shelf(), Owner("the librarian")
    owner.takes(shelf)
    with owner.at_work():
        shelf.put("Emma")
        with pytest.raises(
            WrongThreadError,
            match=r"the thread 'another_0' must not change Shelf by put\(\): it belongs to the librarian",
        ):
            other(lambda: shelf.put("Persuasion"))
        with pytest.raises(WrongThreadError, match=r"Shelf\.books"):
            other(lambda: setattr(shelf, "books", []))
        assert other(shelf.count) == 1


def test_what_an_object_is_made_of_belongs_to_its_owner(other):
    shelf, owner = Shelf(), Owner("the librarian")
    owner.takes(shelf)
    with owner.at_work():
        shelf.lamp.on = True
        assert other(shelf.lamp.look)
        for change in (shelf.lamp.mend, lambda: setattr(shelf.lamp, "on", False)):
            with pytest.raises(WrongThreadError, match="Lamp"):
                other(change)


def test_an_object_is_free_before_its_owner_begins_and_after_it_has_ended(other):
    """An object passes to another owner this way."""
    shelf, owner = Shelf(), Owner("the librarian")
    owner.takes(shelf)
    other(lambda: shelf.put("Emma"))
    with owner.at_work():
        pass
    other(lambda: shelf.put("Persuasion"))
    assert shelf.count() == 2


def test_an_object_that_is_taken_by_another_owner_belongs_to_that_one(other):
    shelf, first, second = Shelf(), Owner("the first"), Owner("the second")
    first.takes(shelf)
    second.takes(shelf)
    with first.at_work():
        other(lambda: shelf.put("Emma"))


def bundle(follower, resolver):
    made = Bundle("b000000", Path(), Options({}, spool=True), {}, Job("b000000", spooled=True))
    follower.takes(made, part="follower")
    resolver.takes(made, part="resolver")
    return made


CHANGES = {
    "job": ("follower", lambda one: setattr(one, "job", one.job)),
    "parents": ("follower", lambda one: setattr(one, "parents", {})),
    "after": ("follower", lambda one: setattr(one, "after", ())),
    "forget": ("follower", lambda one: one.forget("c000000")),
    "futures": ("resolver", lambda one: setattr(one, "futures", {})),
    "wrote": ("resolver", lambda one: one.wrote({})),
    "overwritten": ("resolver", lambda one: one.overwritten(["c000000"])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_part_of_a_bundle_belongs_to_one_thread(change, other):
    """The thread that follows a job owns the job's state; the resolver's thread owns the results of its calls."""
    owners = {"follower": Owner("the watcher's thread"), "resolver": Owner("the resolver's thread")}
    made = bundle(**owners)
    part, make = CHANGES[change]
    with owners.pop(part).at_work():
        make(made)
        with pytest.raises(WrongThreadError, match=r"it belongs to the (watcher|resolver)'s thread"):
            other(lambda: make(made))
    with owners.popitem()[1].at_work():
        other(lambda: make(made))  # the other owner is not concerned


@pytest.mark.parametrize("attribute", ["key", "directory", "options"])
def test_the_rest_of_a_bundle_never_changes(attribute):
    """Not even a thread that has not begun may change it."""
    made = bundle(Owner("the watcher's thread"), Owner("the resolver's thread"))
    with pytest.raises(WrongThreadError, match=f"Bundle.{attribute} must not change: it belongs to nobody"):
        setattr(made, attribute, None)


def test_counts_belong_to_the_holder_of_their_lock():
    counts = Counts()
    with pytest.raises(WrongThreadError, match="the holder of its lock"):
        counts._busy = True
    with pytest.raises(WrongThreadError, match="the holder of its lock"):
        counts._end(None, "c000000", "done")
    counts.failed_at_once()
    assert counts.counts() == {"failed": 1}


def test_nothing_is_checked_elsewhere():
    """The check costs users nothing: classes and methods are unchanged."""
    script = (
        "from condor_futures import ownership\n"
        "from condor_futures.calls.bundle import Bundle\n"
        "def method(self): pass\n"
        "assert not ownership.CHECKED\n"
        "assert ownership.changes()(method) is ownership.reads(method) is method\n"
        "assert Bundle.__setattr__ is object.__setattr__\n"
        "assert not hasattr(Bundle.forget, '__wrapped__')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CONDOR_FUTURES_CHECK_OWNERS"}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
