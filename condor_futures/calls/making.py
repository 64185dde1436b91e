"""Makes calls from the arguments of ``submit``, ``submit_cluster`` and ``map``, for both executors."""

from __future__ import annotations

import functools
import inspect
import itertools
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.calls_file import Call, Manner, write_bundle, writing_calls
from condor_futures.calls.code import CodePacker
from condor_futures.calls.naming import display_name
from condor_futures.calls.pickling import Pickled, pickle_object
from condor_futures.calls.repeats import LARGE as LARGE_ARGUMENT
from condor_futures.calls.repeats import Repeats
from condor_futures.execution_point.shell import shell
from condor_futures.execution_point.unpickling import PROTOCOL, shared_object
from condor_futures.options.arguments import check_count
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session
from condor_futures.session.shared_objects import SharedObject, SharedObjects

__all__ = ["CallPickler", "batched", "check_cluster", "function_name", "refuse_shell", "shared_by", "write_files"]

T = TypeVar("T")


#: Functions and initializers of so many bytes become shared objects, so that they are written and sent once.
LARGE: Final = 256 << 10


@dataclass(frozen=True)
class _Reference:
    """Is pickled as a reference to a shared object that calls may change, because the user did not share it."""

    name: str

    def __reduce__(self) -> tuple[Any, ...]:
        return shared_object, (self.name, True)


@dataclass(frozen=True)
class CallPickler:
    """Pickles the parts of calls.

    Attributes:
        key_of: returns the key by which calls refer to the value of a future, or raises TypeError to refuse the future.
        ship: the modules that jobs import from the same files.
        objects: the shared objects of the session.
        packer: packs the modules that jobs import.
        repeats: warns of what the calls of the session repeat.

    """

    key_of: Callable[[Future[Any]], str]
    ship: Shipping
    objects: SharedObjects
    packer: CodePacker
    repeats: Repeats = field(default_factory=Repeats)

    def function(self, fn: object, *, numbered: bool = False) -> Pickled:
        """Pickle the function of a call. An object that is not callable is refused here, before it fails in the job.

        Raises:
            TypeError: *fn* cannot be called.
            PayloadError: *fn* cannot be pickled.
            ForeignObjectError: it contains a shared object of another session.

        """
        _check_callable(fn)
        pickled = self.once(self._pickle(fn, "function", numbered=numbered), "function")
        return replace(pickled, name=display_name(fn))

    def arguments(self, args: Sequence[object], kwargs: Mapping[str, object], *, cluster: int = 0) -> Pickled:
        """Pickle the arguments of a call, or of all calls of a *cluster* of so many jobs.

        Raises:
            PayloadError: the arguments cannot be pickled.
            ForeignObjectError: they contain a shared object of another session.

        """
        pickled = self._pickle((args, kwargs), "(args, kwargs)", numbered=cluster > 0)
        if len(pickled.segments) > 1 or len(pickled.segments[0]) > LARGE_ARGUMENT:
            for _ in range(min(cluster, 2) or 1):  # two calls are enough for a warning
                self.repeats.look_at_large(args, kwargs, pickled.segments)
        return pickled

    def once(self, pickled: Pickled, kind: str) -> Pickled:
        """Return *pickled*, which many calls need; if it is large, a reference to it as a shared object.

        Raises:
            PayloadError: its file cannot be written.

        """
        if pickled.size < LARGE or pickled.futures or pickled.numbered:
            return pickled
        with writing_calls(self.objects.directory):
            handle = self.objects.store(pickled.segments, kind, pickled.shared)
        return Pickled(
            [pickle.dumps(_Reference(handle.name), PROTOCOL)],
            shared=handle.needs,
            modules=pickled.modules,
            generators=pickled.generators,
        )

    def _pickle(self, obj: object, what: str, *, numbered: bool) -> Pickled:
        pickled = pickle_object(obj, what, self.key_of, self.ship, needs=self.objects.needs, numbered=numbered)
        self.packer.want(pickled.modules)
        return pickled

    def share(self, obj: T) -> SharedObject[T]:
        """Store *obj* in the session, for any number of calls.

        Raises:
            PayloadError: *obj* cannot be pickled, or its file cannot be written.
            ForeignObjectError: it contains a shared object of another session.

        """
        pickled = pickle_object(obj, "the object", ship=self.ship, needs=self.objects.needs)
        self.packer.want(pickled.modules)
        with writing_calls(self.objects.directory, "a shared object"):
            return self.objects.store(pickled.segments, type(obj).__name__, pickled.shared)


def shared_by(calls: Iterable[Call], manner: Manner) -> Sequence[str]:
    """Return the names of the shared objects that *calls*, made in this *manner*, need; in order."""
    shared = set(manner.initializer.shared if manner.initializer is not None else ())
    return sorted(shared.union(*(call.shared for call in calls)))


def write_files(session: Session, bundle: Bundle, calls: Sequence[Call], manner: Manner, *, outcomes: bool) -> None:
    """Write the files of *bundle*, whose job makes *calls* in this *manner*.

    Args:
        session: the session of the bundle.
        bundle: the bundle. Its options are written with the calls, for a client that attaches to the session.
        calls: the calls, in their order.
        manner: how the job makes them.
        outcomes: also write an empty outcome file, because each attempt takes the outcomes of the last one along.

    Raises:
        PayloadError: the files cannot be written.

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
                code=bundle.options.code,
                options=bundle.options.record(),
                objects=session.objects,
                environment=bundle.options.environment.source if bundle.options.environment is not None else None,
                manner=manner,
            )


def batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Like itertools.batched of Python 3.12. Not a generator, which would keep a reference to the last batch."""
    return iter(lambda: list(itertools.islice(items, size)), [])


def function_name(fn: object) -> str:
    """Return the name of the function that a call makes, whichever its arguments; of another object, that of its class.

    >>> function_name(functools.partial(pickle.dumps, protocol=4)), function_name(shell("ls -l"))
    ('_pickle.dumps', 'condor_futures.execution_point.shell.Shell')

    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    named = fn if inspect.isroutine(fn) or isinstance(fn, type) else type(fn)
    return f"{named.__module__}.{named.__qualname__}"


def check_cluster(fn: object, count: object) -> int:
    """Return *count*, the number of jobs in a cluster that calls *fn*.

    Raises:
        TypeError: *fn* is :func:`shell` itself, or *count* is not an int.
        ValueError: *count* is below 1.

    """
    refuse_shell(fn)
    return check_count("count", count)


def refuse_shell(fn: object) -> None:
    """Raise TypeError for :func:`shell` itself: in the job it would only return a callable, and run no command."""
    if fn is shell:
        raise TypeError("submit the callable that shell() returns: submit(shell('ls -l')), not submit(shell, 'ls -l')")


def _check_callable(fn: object) -> None:
    """Raise TypeError for an object that is not callable."""
    if not (callable(fn) or isinstance(fn, (Future, SharedObject))):  # the value of a future may be a function
        advice = "submit(f, x) makes the call f(x) in a job, but submit(f(x)) calls f here and submits the return value"
        if isinstance(fn, str):
            advice = "shell() makes a shell command callable, as in submit(shell('ls -l'))"
        raise TypeError(f"{type(fn).__name__!r} object is not callable; {advice}")
