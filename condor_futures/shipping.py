"""Which modules travel by value, because the execution point cannot import them."""

from __future__ import annotations

import site
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Literal

import cloudpickle

__all__ = ["Shipping"]

#: cloudpickle keeps one list of modules for the whole process; it is ours only while something is pickled.
_LOCK = threading.RLock()


def _installed_places() -> tuple[Path, ...]:
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), site.getusersitepackages()}
    places.update(sysconfig.get_paths().values())
    return tuple(Path(place).resolve() for place in places)


class Shipping:
    """Has functions and classes of certain modules pickled by value.

    ``"auto"`` is every module that was imported from a file outside the Python installation and its site-packages: a
    script's neighbours, a package in development. What is installed travels by name, and has to be installed on the
    execution point too.

    Example:
        >>> import json
        >>> Shipping("auto").modules()
        []
        >>> [module.__name__ for module in Shipping([json, "email"]).modules()]
        ['json', 'email']

    """

    def __init__(self, ship: Literal["auto"] | Iterable[ModuleType | str]) -> None:
        """Take ``"auto"``, or modules or names of modules.

        Raises:
            TypeError: for anything else.
            ImportError: for a name that cannot be imported.

        """
        self._auto = ship == "auto"
        self._places = _installed_places()
        self._known: dict[str, ModuleType | None] = {}
        self._named: list[ModuleType] = []
        if self._auto:
            return
        if isinstance(ship, str):
            raise TypeError(f"ship must be 'auto', or a list of modules or of their names, not {ship!r}")
        for item in ship:
            if not isinstance(item, (ModuleType, str)):
                raise TypeError(f"ship takes modules and names of modules, not {type(item).__name__}")
            self._named.append(__import__(item, fromlist=["*"]) if isinstance(item, str) else item)

    def modules(self) -> list[ModuleType]:
        """The modules that travel by value."""
        if not self._auto:
            return self._named
        for name in sys.modules.keys() - self._known.keys():
            module = sys.modules[name]
            self._known[name] = module if self._is_the_users(name, module) else None
        return [module for module in self._known.values() if module is not None]

    def _is_the_users(self, name: str, module: ModuleType) -> bool:
        # (cloudpickle pickles __main__ by value anyway)
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] in ("__main__", "condor_futures"):
            return False
        path = Path(file).resolve()
        return path.suffix == ".py" and not any(path.is_relative_to(place) for place in self._places)

    @contextmanager
    def by_value(self) -> Iterator[None]:
        """Until the block ends, these modules' functions and classes are pickled by value."""
        with _LOCK:
            registered = cloudpickle.list_registry_pickle_by_value()
            entered = []
            for module in self.modules():
                # (a module may have left sys.modules since; cloudpickle would refuse it)
                if module.__name__ not in registered and sys.modules.get(module.__name__) is module:
                    cloudpickle.register_pickle_by_value(module)
                    entered.append(module)
            try:
                yield
            finally:
                for module in entered:
                    cloudpickle.unregister_pickle_by_value(module)
