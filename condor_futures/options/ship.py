"""The option ``ship``: modules and files that the execution point does not have, and that are sent with the calls."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Literal

import cloudpickle

from condor_futures.submit.values import quote_value

__all__ = ["Shipping", "file_of_the_users"]

#: cloudpickle has one list of modules for the whole process. A thread holds this lock while it pickles with a changed
#: list.
_LOCK = threading.RLock()

#: cloudpickle is sent with the runner. If it pickled itself by value, pickling would never end.
_NEVER = {"__main__", "cloudpickle", "condor_futures"}

#: Installed modules are below these directories, wherever they are: also on the PYTHONPATH of a site's software view.
_INSTALLED = {"site-packages", "dist-packages"}


def _installed_places() -> tuple[Path, ...]:
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), site.getusersitepackages()}
    places.update(sysconfig.get_paths().values())
    return tuple(Path(place).resolve() for place in places)


def _import(name: str) -> ModuleType:
    try:
        return __import__(name, fromlist=["*"])
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the module {name!r} in ship cannot be imported: {error}; to ship a file, use Path({name!r})",
            name=error.name,
        ) from None
    except ValueError:
        raise ImportError(f"{name!r} in ship is not the name of a module") from None


class Shipping:
    """Lets cloudpickle pickle functions and classes of certain modules by value.

    ``"auto"`` means every module that was imported from a file outside the Python installation and any site-packages,
    such as modules beside a script and a package in development. Installed modules are pickled by name, and must be
    installed on the execution point too.

    Example:
        >>> import json
        >>> json in Shipping("auto").modules()
        False
        >>> [module.__name__ for module in Shipping([json, "email"]).modules()]
        ['json', 'email']

    """

    def __init__(self, ship: Literal["auto"] | Iterable[ModuleType | str | Path]) -> None:
        """Accept ``"auto"``, or an iterable of modules, module names, paths of files, and ``"auto"``.

        Raises:
            TypeError: *ship* is something else, or contains something else.
            ImportError: a module cannot be imported.
            FileNotFoundError: a path does not exist.
            ValueError: a path has a comma, a line break, or a macro that HTCondor expands in any notation.

        """
        items = [ship] if ship == "auto" else ship
        if isinstance(items, (str, Path)) or not isinstance(items, Iterable):
            raise TypeError(f"ship must be 'auto', or a list of modules, module names and paths, not {ship!r}")
        self._auto = False
        self._known: dict[str, ModuleType] = {}
        self._users: dict[str, ModuleType] = {}
        self._state: object = None
        self._named: list[ModuleType] = []
        self.files: list[Path] = []
        """Files and directories that are transferred to the job, which can import modules from them."""
        for item in items:
            match item:
                case "auto":
                    self._auto = True
                case str():
                    self._named.append(_import(item))
                case ModuleType():
                    self._named.append(item)
                case Path():
                    if not item.exists():
                        raise FileNotFoundError(f"the file {str(item)!r} in ship does not exist")
                    quote_value("transfer_input_files", item.absolute())  # raises if no submit description can name it
                    self.files.append(item.absolute())
                case _:
                    raise TypeError(f"ship takes modules, module names and paths, not {type(item).__name__}")

    @classmethod
    def of_files(cls, files: Iterable[Path]) -> Shipping:
        """Return an instance with only *files*, which may no longer exist."""
        shipping = cls(())
        shipping.files.extend(files)
        return shipping

    @cached_property
    def archives(self) -> list[str]:
        """The names of the files that are zip files, wheels included; the job adds them to Python's search path."""
        return [file.name for file in self.files if file.is_file() and zipfile.is_zipfile(file)]

    @cached_property
    def _places(self) -> Sequence[Path]:
        return _installed_places()

    def modules(self) -> list[ModuleType]:
        """Return the modules that are pickled by value."""
        if not self._auto:
            return self._named
        # This runs before each call is pickled, so it must be fast. New modules are at the end of sys.modules.
        newest = next(reversed(sys.modules))
        state = (len(sys.modules), newest, sys.modules.get(newest))
        if state != self._state:
            for name, module in sys.modules.copy().items():
                if self._known.get(name) is not module:  # new, or imported again
                    self._known[name] = module
                    self._users.pop(name, None)
                    if self.is_the_users(name, module):
                        self._users[name] = module
            self._state = state
        return [*self._named, *self._users.values()]

    def is_the_users(self, name: str, module: ModuleType) -> bool:
        """Return whether *module* is pickled by value: its file is neither installed nor transferred."""
        # cloudpickle always pickles __main__ by value.
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] in _NEVER:
            return False
        path = Path(file).resolve()
        # Also where the file is as imported: in Debian's Python, sitecustomize.py is a link to a file below /etc.
        imported = Path(file).parent.resolve() / Path(file).name
        if not _INSTALLED.isdisjoint(path.parts) or self._has_file(name, path):
            return False
        installed = any(one.is_relative_to(place) for one in (path, imported) for place in self._places)
        return path.suffix == ".py" and not installed

    def _has_file(self, name: str, path: Path) -> bool:
        """Return whether jobs import the module from a shipped file.

        If the module were pickled by value too, each of its classes would exist twice.
        """
        files = {file.resolve() for file in self.files if file.stem == name.partition(".")[0]}
        return path in files or not files.isdisjoint(path.parents)

    @contextmanager
    def by_value(self) -> Iterator[None]:
        """Pickle functions and classes of these modules by value until the block ends."""
        with _LOCK:
            registered = cloudpickle.list_registry_pickle_by_value()
            entered = []
            for module in self.modules():
                # cloudpickle refuses a module that is no longer in sys.modules.
                if module.__name__ not in registered and sys.modules.get(module.__name__) is module:
                    cloudpickle.register_pickle_by_value(module)
                    entered.append(module)
            try:
                yield
            finally:
                for module in entered:
                    cloudpickle.unregister_pickle_by_value(module)


def file_of_the_users(name: str) -> Path | None:
    """Return the file, or the package's directory, of an imported module that is not installed; None for others."""
    name = name.partition(".")[0]
    module = sys.modules.get(name)
    if module is None or not Shipping("auto").is_the_users(name, module):
        return None
    path = Path(str(module.__file__))
    return path.parent if path.name == "__init__.py" else path


def _replace_lock() -> None:
    global _LOCK  # noqa: PLW0603 - a thread of the parent process may hold it
    _LOCK = threading.RLock()


os.register_at_fork(after_in_child=_replace_lock)
