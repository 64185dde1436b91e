"""Objects become bytes: functions and arguments with futures as references, or an error that names the culprit."""

from __future__ import annotations

import functools
import io
import itertools
import operator
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, TypeGuard

import cloudpickle

from condor_futures import runner
from condor_futures.errors import PayloadError, words
from condor_futures.shell import shell
from condor_futures.shipping import Shipping

__all__ = ["Pickled", "ProcId", "check_callable", "pickle_object", "procid", "refuse_shell"]


@dataclass(frozen=True, eq=False)
class Pickled:
    """A pickle, its out-of-band buffers, and the futures that it refers to."""

    segments: Sequence[bytes | memoryview]
    futures: Mapping[str, Future[Any]] = field(default_factory=dict)


class ProcId:
    """Among the arguments of :meth:`~condor_futures.CondorExecutor.submit_cluster`, at any depth: the number of the
    call in its cluster, counted from 0, as HTCondor's ``$(Process)`` in a submit description.
    """

    def __repr__(self) -> str:
        return "condor_futures.procid"

    def __str__(self) -> str:
        raise TypeError("procid has no text before the job runs; pass it as an argument, and make the text in the call")

    def __format__(self, _: str) -> str:
        return str(self)  # f"out{procid}.txt" would name the same file in all calls

    def __copy__(self) -> ProcId:
        return self  # (by __reduce__ it would be the number, which is none here)

    def __deepcopy__(self, memo: object) -> ProcId:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return runner.number_in_cluster, ()


procid = ProcId()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, with futures as references: at any depth, because the pickler itself visits everything."""

    def __init__(
        self, file: io.BytesIO, buffers: list[pickle.PickleBuffer], key_of: Callable[[Any], str], numbered: bool
    ) -> None:
        super().__init__(file, runner.PROTOCOL, buffer_callback=buffers.append)
        self.futures: dict[str, Future[Any]] = {}
        self._key_of = key_of
        self._numbered = numbered

    def reducer_override(self, obj: object) -> Any:  # noqa: PLR0911 - a table of kinds
        if isinstance(obj, Future):
            key = self._key_of(obj)
            self.futures[key] = obj
            return runner.value_of_call, (key,)
        if isinstance(obj, Executor):
            raise TypeError(f"a {type(obj).__name__} cannot be used in a job; submit from here, or make one there")
        if isinstance(obj, ProcId) and not self._numbered:
            raise TypeError("procid has a value only in the calls of submit_cluster()")
        if isinstance(obj, CodeType):
            make, arguments = self.dispatch_table[CodeType](obj)
            # cloudpickle (3.1.3) puts a constant for the file's name, so that pickles are equal; but then nobody could
            # tell from a remote traceback which file a line is in.
            return make, tuple(
                obj.co_filename if isinstance(part, str) and part == "<dynamic-code>" else part for part in arguments
            )
        if isinstance(obj, ModuleType) and not cloudpickle.cloudpickle._should_pickle_by_reference(obj):
            # Made before it is filled: a module may lead to itself. (cloudpickle would pickle it without end.)
            variables = {name: value for name, value in vars(obj).items() if name != "__builtins__"}
            return runner.travelled_module, (obj.__name__,), variables, None, None, runner.set_variables
        if isinstance(obj, functools._lru_cache_wrapper) and _travels_by_value(obj):
            return runner.cached, (obj.__wrapped__, obj.cache_parameters())
        if _dispatches(obj) and _travels_by_value(obj):
            return runner.dispatching, (obj.__name__,), dict(obj.registry), None, None, runner.register_all
        if type(obj) is functools.cached_property:  # which has a lock, up to Python 3.11
            return functools.cached_property, (obj.func,), {"attrname": obj.attrname}
        connection = getattr(sys.modules.get("multiprocessing.connection"), "_ConnectionBase", None)
        if connection is not None and isinstance(obj, connection):
            # It would be pickled as the bare number of a file descriptor, which is another file in the job.
            raise TypeError("a pipe of this machine's cannot be used in a job")
        return super().reducer_override(obj)


def _dispatches(obj: Any) -> TypeGuard[Any]:
    """Whether it is what ``functools.singledispatch`` makes: a function as any other, with these attributes."""
    return isinstance(obj, FunctionType) and isinstance(getattr(obj, "registry", None), MappingProxyType)


def _travels_by_value(obj: Any) -> bool:
    """Whether cloudpickle would take a function that is where *obj* is, with all that is in it."""
    module = obj.__module__ or "__main__"
    packages = itertools.accumulate(module.split("."), "{}.{}".format)
    if module == "__main__" or not cloudpickle.list_registry_pickle_by_value().isdisjoint(packages):
        return True
    try:
        return operator.attrgetter(obj.__qualname__)(sys.modules[module]) is not obj
    except (AttributeError, KeyError):
        return True


def _refuse_future(future: Future[Any]) -> str:
    raise TypeError(f"a {type(future).__name__} has no value that could be sent; pass future.result() instead")


def pickle_object(
    obj: object,
    what: str,
    key_of: Callable[[Any], str] = _refuse_future,
    ship: Shipping | None = None,
    *,
    numbered: bool = False,
) -> Pickled:
    """Pickle *obj* by cloudpickle; large buffers (numpy arrays) stay out of band, uncopied.

    Args:
        obj: what to pickle.
        what: how an error names it: ``"function"``, ``"arguments"``.
        ship: which modules' functions and classes are pickled by value.
        key_of: gives the call key of a future that is met on the way; it refuses by raising TypeError.
        numbered: the call has a number in a cluster, which :data:`procid` stands for.

    Raises:
        PayloadError: with the path to the culprit inside *obj*, and the original error as its ``__cause__``.

    >>> import threading
    >>> pickle_object({"model": [1, threading.Lock()]}, "argument")
    Traceback (most recent call last):
    condor_futures.errors.PayloadError: argument['model'][1] cannot be pickled: cannot pickle '_thread.lock' object

    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    pickler = _Pickler(file, buffers, key_of, numbered)
    with ship.by_value() if ship is not None else nullcontext():
        try:
            pickler.dump(obj)
        except Exception as error:
            # (cloudpickle makes a PicklingError of a RecursionError)
            if isinstance(error, RecursionError) or isinstance(error.__cause__ or error.__context__, RecursionError):
                message = f"{what} cannot be pickled: it is nested too deeply for Python's recursion limit"
                raise PayloadError(message) from error
            try:
                path, culprit = _locate_culprit(
                    obj, what, lambda part: _Pickler(io.BytesIO(), [], key_of, numbered).dump(part)
                )
            except Exception:  # noqa: BLE001 - to look into an object may run its code
                path, culprit = what, ""
            raise PayloadError(f"{path} cannot be pickled: {culprit or words(error)}") from error
    return Pickled([file.getvalue(), *(buffer.raw() for buffer in buffers)], pickler.futures)


def _show(obj: object) -> str:
    try:
        text = repr(obj)
    except Exception:  # noqa: BLE001 - a user's __repr__ may raise anything
        return f"<{type(obj).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line of a message


def _children(obj: Any) -> Iterable[tuple[str, Any]]:  # noqa: C901 - a table of kinds
    """The parts of *obj* that a pickle of it contains, each with the Python expression that leads to it."""
    if isinstance(obj, (Future, Executor)):
        return  # their insides are of no use to anybody
    if isinstance(obj, (list, tuple)):
        yield from ((f"[{index}]", item) for index, item in enumerate(obj))
    elif isinstance(obj, Mapping):
        for key, item in obj.items():
            yield f"[{_show(key)}]", item
            yield f" key {_show(key)}", key
    elif isinstance(obj, (set, frozenset)):
        yield from ((f" element {_show(item)}", item) for item in obj)
    elif hasattr(obj, "__func__") and hasattr(obj, "__self__"):
        yield ".__self__", obj.__self__
    elif hasattr(obj, "__code__"):
        for name, cell in zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=False):
            try:
                yield f" closure variable {name!r}", cell.cell_contents
            except ValueError:  # an empty cell
                continue
        used = [name for name in obj.__code__.co_names if name in obj.__globals__]
        yield from ((f" global variable {name!r}", obj.__globals__[name]) for name in used)
        yield from ((f" default {_show(default)}", default) for default in obj.__defaults__ or ())
    elif hasattr(obj, "func") and hasattr(obj, "keywords"):  # functools.partial
        yield from ((".func", obj.func), (".args", obj.args), (".keywords", obj.keywords))
    elif hasattr(obj, "__dict__") and not isinstance(obj, type):
        yield from ((f".{name}", item) for name, item in vars(obj).items())


def _locate_culprit(obj: object, path: str, dump: Callable[[object], None]) -> tuple[str, str]:
    """Follow the parts that cannot be pickled by themselves down to the smallest: its path, and its error."""
    seen: set[int] = set()
    message = ""
    while id(obj) not in seen:
        seen.add(id(obj))
        for step, part in _children(obj):
            try:
                dump(part)
            except Exception as error:  # noqa: BLE001 - any reducer may raise anything
                obj, path, message = part, path + step, words(error) or type(error).__name__
                break
        else:
            break
    return path, message


def check_callable(fn: object) -> None:
    """Raise TypeError for what cannot be called."""
    if not (callable(fn) or isinstance(fn, Future)):  # (a future's value may be a function)
        advice = "submit(f, x) makes the call f(x), while submit(f(x)) submits what it has returned here"
        if isinstance(fn, str):
            advice = "a shell command becomes callable by shell(), as in submit(shell('ls -l'))"
        raise TypeError(f"{type(fn).__name__!r} object is not callable; {advice}")


def refuse_shell(fn: object) -> None:
    """Raise TypeError for :func:`shell` itself: called in the job, it would make a callable there, and run nothing."""
    if fn is shell:
        raise TypeError("shell(command) is what a job can call: submit(shell('ls -l')), not submit(shell, 'ls -l')")
