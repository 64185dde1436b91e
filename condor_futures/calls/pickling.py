"""Pickles functions and arguments, with futures as references; an error names the part that cannot be pickled."""

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
from typing import Any, NoReturn, TypeGuard

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
from condor_futures.execution_point.unpickling import PROTOCOL, shared_object, value_of_call
from condor_futures.options.ship import Shipping
from condor_futures.session.shared_objects import ForeignObjectError, SharedObject

__all__ = ["Pickled", "pickle_object"]


@dataclass(frozen=True, eq=False)
class Pickled:
    """A pickle.

    Attributes:
        segments: the pickle and its out-of-band buffers.
        futures: the futures that it refers to, by key.
        shared: the sizes of the shared objects that it refers to, by name.
        numbered: whether it contains :data:`procid`, so that it is another object in each call.

    """

    segments: Sequence[bytes | memoryview]
    futures: Mapping[str, Future[Any]] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    numbered: bool = False

    @property
    def size(self) -> int:
        """The size in bytes."""
        return sum(memoryview(segment).nbytes for segment in self.segments)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """cloudpickle with references to futures and shared objects, at any depth: the pickler visits every object."""

    def __init__(
        self,
        file: io.BytesIO,
        buffers: list[pickle.PickleBuffer],
        key_of: Callable[[Any], str],
        needs: Callable[[SharedObject[Any]], Mapping[str, int]],
        numbered: bool,
    ) -> None:
        super().__init__(file, PROTOCOL, buffer_callback=buffers.append)
        self.futures: dict[str, Future[Any]] = {}
        self.shared: dict[str, int] = {}
        self.has_number = False
        self._key_of = key_of
        self._needs = needs
        self._numbered = numbered

    def reducer_override(self, obj: object) -> Any:  # noqa: PLR0911 - a table of kinds
        if isinstance(obj, (Future, SharedObject)):
            return self._reference(obj)
        if isinstance(obj, Executor):
            raise TypeError(
                f"a {type(obj).__name__} cannot be used in a job; submit from here, or create one in the job"
            )
        if isinstance(obj, ProcId):
            self._allow_number()
        if isinstance(obj, CodeType):
            make, arguments = self.dispatch_table[CodeType](obj)
            # cloudpickle 3.1.3 replaces the file's name by a constant, so that pickles are equal. A remote traceback
            # would then not name the files.
            return make, tuple(
                obj.co_filename if isinstance(part, str) and part == "<dynamic-code>" else part for part in arguments
            )
        if isinstance(obj, ModuleType) and not _should_pickle_by_reference(obj):
            # The module is created before its variables are set, because it may refer to itself. (cloudpickle alone
            # would recurse forever.)
            variables = {name: value for name, value in vars(obj).items() if name != "__builtins__"}
            return travelled_module, (obj.__name__,), variables, None, None, set_variables
        if isinstance(obj, _lru_cache_wrapper) and _travels_by_value(obj):
            return cached, (obj.__wrapped__, obj.cache_parameters())
        if _dispatches(obj) and _travels_by_value(obj):
            return dispatching, (obj.__name__,), dict(obj.registry), None, None, register_all
        if type(obj) is functools.cached_property:  # it contains a lock up to Python 3.11
            return functools.cached_property, (obj.func,), {"attrname": obj.attrname}
        connection = getattr(sys.modules.get("multiprocessing.connection"), "_ConnectionBase", None)
        if connection is not None and isinstance(obj, connection):
            # The pickle would contain only the number of a file descriptor, which is another file in the job.
            raise TypeError("a pipe of this machine cannot be used in a job")
        return super().reducer_override(obj)

    def _allow_number(self) -> None:
        if not self._numbered:
            raise TypeError("procid has a value only in the calls of submit_cluster()")
        self.has_number = True

    def _reference(self, obj: Future[Any] | SharedObject[Any]) -> Any:
        if isinstance(obj, SharedObject):
            self.shared.update(self._needs(obj))
            return shared_object, (obj.name,)
        key = self._key_of(obj)
        self.futures[key] = obj
        return value_of_call, (key,)


def _dispatches(obj: Any) -> TypeGuard[Any]:
    """Return whether ``functools.singledispatch`` made *obj*: an ordinary function with this attribute."""
    return isinstance(obj, FunctionType) and isinstance(getattr(obj, "registry", None), MappingProxyType)


def _travels_by_value(obj: Any) -> bool:
    """Return whether cloudpickle would pickle a function in the place of *obj* by value."""
    module = obj.__module__ or "__main__"
    packages = itertools.accumulate(module.split("."), "{}.{}".format)
    if module == "__main__" or not cloudpickle.list_registry_pickle_by_value().isdisjoint(packages):
        return True
    try:
        return operator.attrgetter(obj.__qualname__)(sys.modules[module]) is not obj
    except (AttributeError, KeyError):
        return True


def _refuse_future(future: Future[Any]) -> str:
    raise TypeError(f"the value of a {type(future).__name__} cannot be sent from here; pass future.result() instead")


def _refuse_shared(handle: SharedObject[Any]) -> NoReturn:
    raise TypeError(f"{handle!r} can only be an argument of a call; pass the object itself here")


def pickle_object(
    obj: object,
    what: str,
    key_of: Callable[[Any], str] = _refuse_future,
    ship: Shipping | None = None,
    *,
    needs: Callable[[SharedObject[Any]], Mapping[str, int]] = _refuse_shared,
    numbered: bool = False,
) -> Pickled:
    """Pickle *obj* with cloudpickle. Large buffers (numpy arrays) stay out of band, and are not copied.

    Args:
        obj: the object.
        what: the object's name in errors: ``"function"``, ``"arguments"``.
        ship: the modules whose functions and classes are pickled by value.
        key_of: returns the call key of a future inside *obj*, or raises TypeError to refuse the future.
        needs: returns the shared objects that a handle inside *obj* needs, or raises TypeError to refuse the handle.
        numbered: the call has a number in a cluster, which :data:`procid` stands for.

    Raises:
        PayloadError: *obj* cannot be pickled. The error has the path to the culprit inside *obj*, and the original
            error as its ``__cause__``.
        ForeignObjectError: *obj* contains a shared object of another session.

    >>> import threading
    >>> pickle_object({"model": [1, threading.Lock()]}, "argument")
    Traceback (most recent call last):
    condor_futures.errors.PayloadError: argument['model'][1] cannot be pickled: cannot pickle '_thread.lock' object

    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    pickler = _Pickler(file, buffers, key_of, needs, numbered)
    with ship.by_value() if ship is not None else nullcontext():
        try:
            pickler.dump(obj)
        except ForeignObjectError:
            raise
        except Exception as error:
            # cloudpickle converts a RecursionError into a PicklingError
            if isinstance(error, RecursionError) or isinstance(error.__cause__ or error.__context__, RecursionError):
                message = f"{what} cannot be pickled: it is nested too deeply for Python's recursion limit"
                raise PayloadError(message) from error
            try:
                path, culprit = locate_culprit(
                    obj, what, lambda part: _Pickler(io.BytesIO(), [], key_of, needs, numbered).dump(part)
                )
            except Exception:  # noqa: BLE001 - inspecting an object may run its code
                path, culprit = what, ""
            raise PayloadError(f"{path} cannot be pickled: {culprit or words(error)}") from error
    segments: list[bytes | memoryview] = [file.getvalue(), *(buffer.raw() for buffer in buffers)]
    return Pickled(segments, pickler.futures, pickler.shared, pickler.has_number)
