"""Calls are made: what both executors do with what the user gives to ``submit``, ``submit_cluster`` and ``map``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner, write_bundle, writing_calls
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.execution_point.shell import shell
from condor_futures.options.arguments import check_count
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session

__all__ = ["CallPickler", "batched", "check_cluster", "refuse_shell", "write_files"]

T = TypeVar("T")


@dataclass(frozen=True)
class CallPickler:
    """Pickles the parts of calls.

    Attributes:
        key_of: gives the key by which calls refer to the value of a future; it refuses one by raising TypeError.
        ship: what travels by value.

    """

    key_of: Callable[[Future[Any]], str]
    ship: Shipping

    def function(self, fn: object, *, numbered: bool = False) -> Pickled:
        """The function of a call; what cannot be called would fail the call in its job, so it is refused here.

        Raises:
            TypeError: if *fn* cannot be called.
            PayloadError: if it cannot be pickled.

        """
        _check_callable(fn)
        return pickle_object(fn, "function", self.key_of, self.ship, numbered=numbered)

    def arguments(self, args: Sequence[object], kwargs: Mapping[str, object], *, numbered: bool = False) -> Pickled:
        """The arguments of a call; *numbered* if it has a number in a cluster.

        Raises:
            PayloadError: if they cannot be pickled.

        """
        return pickle_object((args, kwargs), "(args, kwargs)", self.key_of, self.ship, numbered=numbered)


def write_files(session: Session, bundle: Bundle, calls: Sequence[Call], manner: Manner, *, outcomes: bool) -> None:
    """Write the files of *bundle*, whose job makes *calls* in this *manner*.

    Args:
        session: whose bundle it is.
        bundle: its options travel with the calls, for whoever attaches to the session.
        calls: in their order.
        manner: how they are made.
        outcomes: write an empty file of outcomes too, where each attempt takes along what the one before reported.

    Raises:
        PayloadError: if they cannot be written.

    """
    with writing_calls(session.directory):
        if outcomes:
            with session.create_file(bundle.path("outcomes")):
                pass
        with session.create_file(bundle.path("calls")) as file:
            write_bundle(
                file,
                calls,
                session=session.id,
                bundle=bundle.key,
                secret=session.secret,
                archives=bundle.options.ship.archives,
                options=bundle.options.record(),
                manner=manner,
            )


def batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Like itertools.batched, which Python has from 3.12 on; but a generator would keep the last batch alive."""
    return iter(lambda: list(itertools.islice(items, size)), [])


def check_cluster(fn: object, count: object) -> int:
    """The number of jobs in a cluster that calls *fn*.

    Raises:
        TypeError: for :func:`shell` itself; if *count* is no int.
        ValueError: if it is below 1.

    """
    refuse_shell(fn)
    return check_count("count", count)


def refuse_shell(fn: object) -> None:
    """Raise TypeError for :func:`shell` itself: called in the job, it would make a callable there, and run nothing."""
    if fn is shell:
        raise TypeError("shell(command) is what a job can call: submit(shell('ls -l')), not submit(shell, 'ls -l')")


def _check_callable(fn: object) -> None:
    """Raise TypeError for what cannot be called."""
    if not (callable(fn) or isinstance(fn, Future)):  # (a future's value may be a function)
        advice = "submit(f, x) makes the call f(x), while submit(f(x)) submits what it has returned here"
        if isinstance(fn, str):
            advice = "a shell command becomes callable by shell(), as in submit(shell('ls -l'))"
        raise TypeError(f"{type(fn).__name__!r} object is not callable; {advice}")
