"""Pickles functions and arguments, with futures as references; an error names the part that cannot be pickled."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import pickle
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NoReturn

from condor_futures.calls.culprit import SearchEndedError, locate_culprit, path_to
from condor_futures.calls.main_script import Script, main_script, variables_of
from condor_futures.calls.procid import ProcId
from condor_futures.calls.repeats import Generator, is_generator
from condor_futures.errors import PayloadError, words
from condor_futures.execution_point import by_value
from condor_futures.execution_point.unpickling import PROTOCOL, ScriptVariables, shared_object, value_of_call
from condor_futures.options.ship import Shipping
from condor_futures.session.shared_objects import ForeignObjectError, SharedObject

__all__ = ["Pickled", "definitions_of_script", "pickle_object"]

#: Bytes of a variable of the script that importing the script also sets: a larger one is as the import sets it.
_LARGEST_VARIABLE = 10 << 20


@dataclass(frozen=True, eq=False)
class Pickled:
    """A pickle.

    Attributes:
        segments: the pickle and its out-of-band buffers.
        futures: the futures that it refers to, by key.
        shared: the sizes of the shared objects that it refers to, by name.
        numbered: whether it contains :data:`procid`, so that it is another object in each call.
        modules: the modules that its functions import while they run.
        generators: the random generators whose states it contains.
        name: the name of the function that it is, for displays; nothing if it is something else.

    """

    segments: Sequence[bytes | memoryview]
    futures: Mapping[str, Future[Any]] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    numbered: bool = False
    modules: AbstractSet[str] = frozenset()
    generators: Sequence[Generator] = ()
    name: str = ""

    @property
    def size(self) -> int:
        """The size in bytes."""
        return sum(memoryview(segment).nbytes for segment in self.segments)


class _Pickler(by_value.Pickler):
    """Pickles references to futures and shared objects, at any depth, because the pickler visits every object."""

    def __init__(
        self,
        file: Any,
        protocol: int,
        buffer_callback: Callable[[pickle.PickleBuffer], object] | None = None,
        *,
        key_of: Callable[[Any], str],
        needs: Callable[[SharedObject[Any]], Mapping[str, int]],
        ship: Shipping,
        numbered: bool,
        looks_up: bool = True,
    ) -> None:
        super().__init__(file, protocol, buffer_callback, looks_up)
        self.futures: dict[str, Future[Any]] = {}
        self.shared: dict[str, int] = {}
        self.has_number = False
        self.variables: dict[str, bytes] = {}
        self.generators: list[object] = []
        self._key_of = key_of
        self._needs = needs
        self._ship = ship
        self._of_script: dict[int, object] = {}
        self._numbered = numbered

    @functools.cached_property
    def _script(self) -> Script | None:
        # Looked at only for what belongs to the script: that takes as long as pickling a number.
        return main_script() if self._ship.auto else None

    def another(self, file: Any) -> _Pickler:
        return _Pickler(
            file,
            PROTOCOL,
            key_of=_refuse_future,
            needs=_refuse_shared,
            ship=self._ship,
            numbered=self._numbered,
            looks_up=False,
        )

    def imports(self, module: ModuleType) -> bool:
        return (module.__name__ == "__main__" and self._script is not None) or super().imports(module)

    def whole(self, module: ModuleType) -> bool:
        own = module.__name__ == "__main__" or self._ship.imports_here(module)
        return own and self.imports(module)

    def is_of_script(self, name: str, obj: object) -> bool:
        self._of_script[id(obj)] = obj
        return self._script is not None and self._script.sets(name)

    def dump(self, obj: object) -> None:
        """Pickle *obj*, and the variables of the script that functions in it use."""
        super().dump(obj)
        if self._of_script and self._looks_up:
            self.variables = self._variables_of_script()

    def _variables_of_script(self) -> dict[str, bytes]:
        """Pickle the variables of the script that the functions and classes in this pickle use.

        The job has those that importing the script sets, but perhaps with other values.
        """
        assert self._script is not None
        found: dict[str, bytes] = {}
        namespace = vars(sys.modules["__main__"])
        used, looks_up = variables_of(self._of_script.values(), namespace)
        for name, value in {**namespace, **used}.items() if looks_up else used.items():
            if name.startswith("__"):
                continue
            sets = self._script.sets(name)
            if sets and (isinstance(value, (type, ModuleType)) or callable(value)):
                continue
            file = by_value.Bounded(math.inf if name in used and not sets else _LARGEST_VARIABLE)
            other = self.another(file)
            try:
                other.dump(value)
            except Exception:
                if not sets and name in used:
                    raise
            else:
                found[name] = b"".join(file.parts)
                if name in used:
                    self.generators += other.generators
        return found

    def reducer(self, kind: Any) -> Any:
        if issubclass(kind, Future):
            return self._reduce_future
        if issubclass(kind, SharedObject):
            return self._reduce_shared
        if issubclass(kind, Executor):
            return self._refuse_executor
        if kind is ProcId:
            return self._reduce_number
        connection = getattr(sys.modules.get("multiprocessing.connection"), "_ConnectionBase", None)
        if connection is not None and issubclass(kind, connection):
            return self._refuse_pipe
        reduce = super().reducer(kind)
        return functools.partial(self._reduce_generator, reduce) if is_generator(kind) else reduce

    def _reduce_future(self, obj: Future[Any]) -> Any:
        key = self._key_of(obj)
        self.futures[key] = obj
        return value_of_call, (key,)

    def _reduce_shared(self, obj: SharedObject[Any]) -> Any:
        self.shared.update(self._needs(obj))
        return shared_object, (obj.name,)

    def _reduce_generator(self, reduce: Callable[[Any], Any] | None, obj: object) -> Any:
        self.generators.append(obj)
        return reduce(obj) if reduce is not None else NotImplemented

    @staticmethod
    def _refuse_executor(obj: Executor) -> NoReturn:
        raise TypeError(f"a {type(obj).__name__} cannot be used in a job; submit from here, or create one in the job")

    def _reduce_number(self, obj: ProcId) -> Any:
        if not self._numbered:
            raise TypeError("procid has a value only in the calls of submit_cluster()")
        self.has_number = True
        return obj.__reduce__()

    @staticmethod
    def _refuse_pipe(_: object) -> NoReturn:
        # The pickle would contain only the number of a file descriptor, which is another file in the job.
        raise TypeError("a pipe of this machine cannot be used in a job")


class _TimedPickler(_Pickler):
    """Gives up at a time of ``time.monotonic()``."""

    deadline = math.inf

    def reducer_override(self, obj: Any) -> Any:
        if time.monotonic() > self.deadline:
            raise SearchEndedError
        return super().reducer_override(obj)


def _refuse_future(future: Future[Any]) -> str:
    raise TypeError(f"the value of a {type(future).__name__} cannot be sent from here; pass future.result() instead")


def _refuse_shared(handle: SharedObject[Any]) -> NoReturn:
    raise TypeError(f"{handle!r} can only be an argument of a call; pass the object itself here")


class _DefinitionsPickler(_Pickler):
    """Pickles definitions of the script by value, for jobs that cannot import it. They share its namespace."""

    bare = True

    def imports(self, module: ModuleType) -> bool:
        return module.__name__ != "__main__" and super().imports(module)

    def another(self, file: Any) -> _Pickler:
        raise NotImplementedError


def definitions_of_script(ship: Shipping) -> dict[str, bytes]:
    """Return the variables of the script that can be pickled, by value."""
    found: dict[str, bytes] = {}
    like: Any = {"key_of": _refuse_future, "needs": _refuse_shared, "ship": ship, "numbered": False}
    for name, value in list(vars(sys.modules["__main__"]).items()):
        if name.startswith("__"):
            continue
        file = by_value.Bounded(_LARGEST_VARIABLE)
        with contextlib.suppress(Exception):
            _DefinitionsPickler(file, PROTOCOL, looks_up=False, **like).dump(value)
            found[name] = b"".join(file.parts)
    return found


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
        ship: the modules that jobs import from the same files.
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
    like: Any = {"key_of": key_of, "needs": needs, "ship": ship or Shipping(()), "numbered": numbered}
    pickler = _Pickler(file, PROTOCOL, buffers.append, **like)
    try:
        pickler.dump(obj)
    except ForeignObjectError:
        raise
    except Exception as error:
        # cloudpickle converts a RecursionError into a PicklingError
        if isinstance(error, RecursionError) or isinstance(error.__cause__ or error.__context__, RecursionError):
            message = f"{what} cannot be pickled: it is nested too deeply for Python's recursion limit"
            raise PayloadError(message) from error

        def dump(part: object, deadline: float) -> None:
            file, ignore = io.BytesIO(), list[pickle.PickleBuffer]()
            other = _TimedPickler(file, PROTOCOL, ignore.append, looks_up=False, **like)
            other.deadline = deadline
            other.dump(part)

        path, culprit = locate_culprit(obj, what, dump)
        raise PayloadError(f"{path} cannot be pickled: {culprit or words(error)}") from error
    variables = pickle.dumps(ScriptVariables(pickler.variables), PROTOCOL) if pickler.variables else b""
    segments: list[bytes | memoryview] = [variables + file.getvalue(), *(buffer.raw() for buffer in buffers)]
    found = pickler.generators
    generators = [Generator(one, functools.partial(_path_to, one, obj, what)) for one in found] if found else ()
    return Pickled(segments, pickler.futures, pickler.shared, pickler.has_number, pickler.modules, generators)


def _path_to(generator: object, obj: Any, what: str) -> str:
    roots = zip(obj, ("args", "kwargs"), strict=True) if what == "(args, kwargs)" else [(obj, what)]
    return path_to(lambda part: part is generator, roots) or what
