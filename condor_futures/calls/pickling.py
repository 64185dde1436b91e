"""Objects become bytes: functions and arguments with futures as references, or an error that names the culprit."""

from __future__ import annotations

import functools
import io
import itertools
import operator
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import _lru_cache_wrapper
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, TypeGuard

import cloudpickle
from cloudpickle.cloudpickle import _should_pickle_by_reference

from condor_futures.calls.culprit import locate_culprit
from condor_futures.calls.procid import ProcId
from condor_futures.errors import PayloadError, words
from condor_futures.execution_point.shipped_modules import (
    cached,
    dispatching,
    register_all,
    set_variables,
    travelled_module,
)
from condor_futures.execution_point.unpickling import PROTOCOL, value_of_call
from condor_futures.options.ship import Shipping

__all__ = ["Pickled", "pickle_object"]


@dataclass(frozen=True, eq=False)
class Pickled:
    """A pickle, its out-of-band buffers, and the futures that it refers to."""

    segments: Sequence[bytes | memoryview]
    futures: Mapping[str, Future[Any]] = field(default_factory=dict)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle, with futures as references: at any depth, because the pickler itself visits everything."""

    def __init__(
        self, file: io.BytesIO, buffers: list[pickle.PickleBuffer], key_of: Callable[[Any], str], numbered: bool
    ) -> None:
        super().__init__(file, PROTOCOL, buffer_callback=buffers.append)
        self.futures: dict[str, Future[Any]] = {}
        self._key_of = key_of
        self._numbered = numbered

    def reducer_override(self, obj: object) -> Any:  # noqa: PLR0911 - a table of kinds
        if isinstance(obj, Future):
            key = self._key_of(obj)
            self.futures[key] = obj
            return value_of_call, (key,)
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
        if isinstance(obj, ModuleType) and not _should_pickle_by_reference(obj):
            # Made before it is filled: a module may lead to itself. (cloudpickle would pickle it without end.)
            variables = {name: value for name, value in vars(obj).items() if name != "__builtins__"}
            return travelled_module, (obj.__name__,), variables, None, None, set_variables
        if isinstance(obj, _lru_cache_wrapper) and _travels_by_value(obj):
            return cached, (obj.__wrapped__, obj.cache_parameters())
        if _dispatches(obj) and _travels_by_value(obj):
            return dispatching, (obj.__name__,), dict(obj.registry), None, None, register_all
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
                path, culprit = locate_culprit(
                    obj, what, lambda part: _Pickler(io.BytesIO(), [], key_of, numbered).dump(part)
                )
            except Exception:  # noqa: BLE001 - to look into an object may run its code
                path, culprit = what, ""
            raise PayloadError(f"{path} cannot be pickled: {culprit or words(error)}") from error
    return Pickled([file.getvalue(), *(buffer.raw() for buffer in buffers)], pickler.futures)
