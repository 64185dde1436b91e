"""Finds the part of an object that cannot be pickled, and the path to a part.

A search reads only what Python itself keeps of an object. It runs no code of an object's class: an object that
answers to every attribute (a proxy, a mock) has as many parts as anybody asks for.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from types import (
    BuiltinMethodType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any

from condor_futures.errors import words
from condor_futures.execution_point.by_value import names_in

__all__ = ["SearchEndedError", "locate_culprit", "path_to"]

#: Bounds of a search: seconds, parts that are tried, steps of the path.
_SECONDS, _PARTS, _DEPTH = 2.0, 10_000, 50

_class_dict = type.__dict__["__dict__"].__get__
_ATOMS = (str, int, float, complex, bytes, bool, type(None))


class SearchEndedError(Exception):
    """The search has reached one of its bounds."""


def _show(obj: object) -> str:
    """Return the text of *obj*, or the name of its class if a class of the user's makes the text."""
    kind = type(obj)
    plain = type(obj) in _ATOMS or (type(obj) is tuple and all(type(part) in _ATOMS for part in obj))
    if not plain and (type(kind.__repr__) is not WrapperDescriptorType or kind in (list, tuple, dict, set, frozenset)):
        return f"<{kind.__name__}>"
    text = repr(obj)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line of a message


def _children(obj: Any) -> Iterator[tuple[str, Any]]:  # noqa: C901, PLR0912 - a table of kinds
    """Yield the parts of *obj* that its pickle contains, each with the Python expression that leads to it."""
    kind = type(obj)
    if issubclass(kind, (Future, Executor)):
        return  # naming one of their private parts would not help the user
    for sequence in (list, tuple, deque):
        if issubclass(kind, sequence):
            yield from ((f"[{index}]", item) for index, item in enumerate(sequence.__iter__(obj)))
    if issubclass(kind, dict):
        yield from _items(dict.items(obj))
    elif kind is MappingProxyType:
        yield from _items(obj.items())
    for of_items in (set, frozenset):
        if issubclass(kind, of_items):
            yield from ((f" element {_show(item)}", item) for item in of_items.__iter__(obj))
    if kind is MethodType:
        yield ".__self__", obj.__self__
    elif kind is FunctionType:
        yield from _of_function(obj)
    elif kind in (staticmethod, classmethod):
        yield "", obj.__func__
    elif kind is property:
        yield from (("", function) for function in (obj.fget, obj.fset, obj.fdel) if function is not None)
    elif issubclass(kind, partial):
        for name in ("func", "args", "keywords"):
            yield f".{name}", getattr(partial, name).__get__(obj)
    elif issubclass(kind, type):
        yield from ((f".{name}", item) for name, item in _class_dict(obj).items())
    else:
        yield from _attributes(obj)


def _items(items: Iterable[tuple[object, object]]) -> Iterator[tuple[str, object]]:
    for key, item in items:
        yield f"[{_show(key)}]", item
        yield f" key {_show(key)}", key


def _of_function(obj: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(obj.__code__.co_freevars, obj.__closure__ or (), strict=False):
        try:
            yield f" closure variable {name!r}", cell.cell_contents
        except ValueError:  # an empty cell
            continue
    used = [name for name in names_in(obj.__code__)[0] if name in obj.__globals__]
    yield from ((f" global variable {name!r}", obj.__globals__[name]) for name in used)
    yield from ((f" default {_show(default)}", default) for default in obj.__defaults__ or ())
    yield from ((f" default of {name!r}", default) for name, default in (obj.__kwdefaults__ or {}).items())
    yield from ((f".{name}", item) for name, item in vars(obj).items())


def _attributes(obj: object) -> Iterator[tuple[str, object]]:
    """Yield the attributes that *obj* has itself: in its dictionary, and in slots."""
    for cls in type.__dict__["__mro__"].__get__(type(obj)):
        for name, descriptor in _class_dict(cls).items():
            if type(descriptor) is GetSetDescriptorType and name == "__dict__":
                attributes = descriptor.__get__(obj)
                if type(attributes) is dict:
                    yield from ((f".{key}", item) for key, item in attributes.items())
            elif type(descriptor) is MemberDescriptorType and cls.__flags__ & _HEAP:
                try:
                    yield f".{name}", descriptor.__get__(obj)
                except AttributeError:  # it is not set
                    continue


_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: not a class of the interpreter


def locate_culprit(obj: object, path: str, dump: Callable[[object, float], None]) -> tuple[str, str]:
    """Return the path of the smallest part of *obj* that cannot be pickled by itself, and the error for it.

    Args:
        obj: cannot be pickled.
        path: the path of *obj*.
        dump: pickles a part, and raises :class:`SearchEndedError` after a time of ``time.monotonic()``.

    """
    deadline = time.monotonic() + _SECONDS
    seen: dict[int, object] = {}
    message, tried = "", 0
    while id(obj) not in seen and len(seen) < _DEPTH:
        seen[id(obj)] = obj
        for step, part in _children(obj):
            tried += 1
            try:
                if tried > _PARTS or time.monotonic() > deadline:
                    raise SearchEndedError  # noqa: TRY301 - as the pickler does
                dump(part, deadline)
            except SearchEndedError:
                note = "the search for the part that cannot be pickled ended here, after too long a time"
                return path, f"{message}; {note}" if message else f"{note}"
            except Exception as error:  # noqa: BLE001 - any reducer may raise anything
                obj, path, message = part, path + step, words(error) or type(error).__name__
                break
        else:
            break
    return path, message


def path_to(is_part: Callable[[object], bool], roots: Iterable[tuple[object, str]]) -> str | None:
    """Return the shortest path to a part from one of the *roots*, each with its own path; None if none is found.

    >>> path_to(lambda part: part == "c", [([1, {"b": "c"}], "args"), ({}, "kwargs")])
    "args[1]['b']"
    """
    deadline, seen = time.monotonic() + _SECONDS, dict[int, object]()
    waiting = deque(roots)
    while waiting and len(seen) < _PARTS and time.monotonic() < deadline:
        obj, path = waiting.popleft()
        if is_part(obj):
            return path
        if id(obj) in seen or type(obj) in _ATOMS:
            continue
        seen[id(obj)] = obj
        waiting.extend((child, path + step) for step, child in itertools.islice(_children(obj), _PARTS))
        if type(obj) is BuiltinMethodType:
            waiting.append((obj.__self__, f"{path}.__self__"))
    return None
