"""The program's script: whether jobs can import it, and which of its variables they then have.

Jobs import a script with the guard ``if __name__ == "__main__":``, because importing it has no other effect. The
definitions of other scripts, of notebooks and of prompts are pickled by value.
"""

from __future__ import annotations

import ast
import functools
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_futures.execution_point.by_value import names_in
from condor_futures.options.ship import is_installed

__all__ = ["Script", "main_script", "variables_of"]


@dataclass(frozen=True)
class Script:
    """A script that jobs import.

    Attributes:
        path: its file.
        module: its name, if it was started with ``python -m``; otherwise empty.
        imported: the variables that importing it sets.
        own: the variables that only running it sets: in the guarded block, or by a ``global`` statement.
        star: whether it has ``from module import *``, which sets variables without naming them.

    """

    path: Path
    module: str
    imported: frozenset[str]
    own: frozenset[str]
    star: bool

    def sets(self, name: str) -> bool:
        """Return whether importing the script sets the variable *name* as running it does."""
        return name not in self.own and (self.star or name in self.imported)


def main_script() -> Script | None:
    """Return the program's script; None if jobs cannot import it."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not isinstance(file, str) or hasattr(sys, "ps1") or "get_ipython" in vars(main):
        return None
    path = Path(file)
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    if is_installed(file):
        return None
    spec = getattr(main, "__spec__", None)
    return _read(path.absolute(), spec.name if spec is not None else "", changed)


@functools.lru_cache(maxsize=4)
def _read(path: Path, module: str, _changed: int) -> Script | None:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    imported: set[str] = set()
    own: set[str] = set()
    guarded = star = False
    for statement in tree.body:
        if isinstance(statement, ast.If) and _is_guard(statement.test):
            guarded = True
            own.update(name for part in statement.body for name in _bound(part))
            imported.update(name for part in statement.orelse for name in _bound(part))
        else:
            imported.update(_bound(statement))
            star = star or any(
                isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(statement)
            )
    own.update(name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names)
    return Script(path, module, frozenset(imported), frozenset(own), star) if guarded else None


def _is_guard(test: ast.expr) -> bool:
    """Return whether *test* is ``__name__ == "__main__"``, alone or with other conditions."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_is_guard(value) for value in test.values)
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = [test.left, test.comparators[0]]
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    texts = [side.value for side in sides if isinstance(side, ast.Constant)]
    return names == ["__name__"] and texts == ["__main__"]


def _bound(statement: ast.AST) -> Iterator[str]:
    """Yield the names that a statement of a module sets, without those inside of functions and classes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
        return
    if isinstance(statement, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        return
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
    if isinstance(statement, ast.Name) and isinstance(statement.ctx, (ast.Store, ast.Del)):
        yield statement.id
    if isinstance(statement, ast.ExceptHandler) and statement.name:
        yield statement.name
    for kind in ("MatchAs", "MatchStar", "TypeAlias"):
        if type(statement).__name__ == kind and isinstance(name := getattr(statement, "name", None), str):
            yield name
    for child in ast.iter_child_nodes(statement):
        yield from _bound(child)


def variables_of(roots: Iterable[Any], namespace: dict[str, Any]) -> tuple[dict[str, Any], bool]:  # noqa: C901 - a table of kinds
    """Return the variables in *namespace* that functions and classes use, and whether these may look up others."""
    found: dict[str, Any] = {}
    looks_up = False
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        obj = waiting.pop()
        if id(obj) in seen:
            continue
        seen.add(id(obj))
        if isinstance(obj, (staticmethod, classmethod)):
            waiting.append(obj.__func__)
        elif isinstance(obj, property):
            waiting += [obj.fget, obj.fset, obj.fdel]
        elif isinstance(obj, (functools.partial, functools.cached_property)):
            waiting.append(obj.func)
        elif isinstance(obj, types.MethodType):
            waiting += [obj.__func__, obj.__self__]
        elif issubclass(type(obj), type):
            if obj.__module__ == "__main__":
                waiting += list(type.__dict__["__dict__"].__get__(obj).values()) + list(
                    type.__dict__["__bases__"].__get__(obj)
                )
        elif type(obj) is types.FunctionType or hasattr(type(obj), "cache_info"):
            function = obj if type(obj) is types.FunctionType else obj.__wrapped__
            waiting += [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
            waiting += list(vars(function).values())
            if function.__globals__ is namespace:
                names, looks = names_in(function.__code__)[:2]
                looks_up = looks_up or looks
                used = {name: namespace[name] for name in names if name in namespace}
                found.update(used)
                waiting += list(used.values())
        elif type(obj).__module__ == "__main__":
            waiting.append(type(obj))
    return found, looks_up


def _is_full(cell: Any) -> bool:
    try:
        return bool((cell.cell_contents,))
    except ValueError:
        return False
