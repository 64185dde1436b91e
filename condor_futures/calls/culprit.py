"""Finds the part of an object that cannot be pickled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

from condor_futures.errors import words

__all__ = ["locate_culprit"]


def _show(obj: object) -> str:
    try:
        text = repr(obj)
    except Exception:  # noqa: BLE001 - a user's __repr__ may raise anything
        return f"<{type(obj).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line of a message


def _children(obj: Any) -> Iterable[tuple[str, Any]]:  # noqa: C901 - a table of kinds
    """Yield the parts of *obj* that its pickle contains, each with the Python expression that leads to it."""
    if isinstance(obj, (Future, Executor)):
        return  # naming one of their private parts would not help the user
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


def locate_culprit(obj: object, path: str, dump: Callable[[object], None]) -> tuple[str, str]:
    """Return the path of the smallest part of *obj* that cannot be pickled by itself, and the error for it.

    *path* is the path of *obj*.
    """
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
