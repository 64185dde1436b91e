"""What travels with the calls, because the execution point cannot import it: modules by value, and files."""

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

#: cloudpickle keeps one list of modules for the whole process; it is ours only while something is pickled.
_LOCK = threading.RLock()

#: cloudpickle travels with the runner; to have it pickle itself would never end.
_NEVER = {"__main__", "cloudpickle", "condor_futures"}

#: Wherever they are, as on the PYTHONPATH that a site's software view sets.
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
            f"ship has the module {name!r}, which cannot be imported: {error}; a file is shipped as Path({name!r})",
            name=error.name,
        ) from None
    except ValueError:
        raise ImportError(f"ship has {name!r}, which is no name of a module") from None


class Shipping:
    """Has functions and classes of certain modules pickled by value.

    ``"auto"`` is every module that was imported from a file outside the Python installation and any site-packages: a
    script's neighbours, a package in development. What is installed travels by name, and has to be installed on the
    execution point too.

    Example:
        >>> import json
        >>> json in Shipping("auto").modules()
        False
        >>> [module.__name__ for module in Shipping([json, "email"]).modules()]
        ['json', 'email']

    """

    def __init__(self, ship: Literal["auto"] | Iterable[ModuleType | str | Path]) -> None:
        """Take ``"auto"``, or modules, names of modules, and paths of files; ``"auto"`` may be among them.

        Raises:
            TypeError: for anything else.
            ImportError: for a name that cannot be imported.
            FileNotFoundError: for a path where there is nothing.
            ValueError: for a path with a comma, a line break, or what HTCondor expands whatever one writes.

        """
        items = [ship] if ship == "auto" else ship
        if isinstance(items, (str, Path)) or not isinstance(items, Iterable):
            raise TypeError(f"ship must be 'auto', or a list of modules, of their names and of paths, not {ship!r}")
        self._auto = False
        self._known: dict[str, ModuleType] = {}
        self._users: dict[str, ModuleType] = {}
        self._state: object = None
        self._named: list[ModuleType] = []
        self.files: list[Path] = []
        """Files and directories that are transferred, and can be imported from in the job."""
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
                        raise FileNotFoundError(f"ship has {str(item)!r}, but there is no such file")
                    quote_value("transfer_input_files", item.absolute())  # refuses what no description can name
                    self.files.append(item.absolute())
                case _:
                    raise TypeError(f"ship takes modules, names of modules and paths, not {type(item).__name__}")

    @classmethod
    def of_files(cls, files: Iterable[Path]) -> Shipping:
        """Only files, which need not be there any more."""
        shipping = cls(())
        shipping.files.extend(files)
        return shipping

    @cached_property
    def archives(self) -> list[str]:
        """The names of those of the files that are zip files (wheels too): Python has to be told to look in there."""
        return [file.name for file in self.files if file.is_file() and zipfile.is_zipfile(file)]

    @cached_property
    def _places(self) -> Sequence[Path]:
        return _installed_places()

    def modules(self) -> list[ModuleType]:
        """The modules that travel by value."""
        if not self._auto:
            return self._named
        # Asked before each call is pickled, so it has to be quick: what was imported since the last time comes last.
        newest = next(reversed(sys.modules))
        state = (len(sys.modules), newest, sys.modules.get(newest))
        if state != self._state:
            for name, module in sys.modules.copy().items():
                if self._known.get(name) is not module:  # (it may have been imported anew)
                    self._known[name] = module
                    self._users.pop(name, None)
                    if self.is_the_users(name, module):
                        self._users[name] = module
            self._state = state
        return [*self._named, *self._users.values()]

    def is_the_users(self, name: str, module: ModuleType) -> bool:
        """Whether *module* was imported from a file that is neither installed nor transferred: it travels by value."""
        # (cloudpickle pickles __main__ by value anyway)
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] in _NEVER:
            return False
        path = Path(file).resolve()
        if not _INSTALLED.isdisjoint(path.parts) or self._has_file(name, path):
            return False
        return path.suffix == ".py" and not any(path.is_relative_to(place) for place in self._places)

    def _has_file(self, name: str, path: Path) -> bool:
        """Whether jobs import it from a shipped file: by value too, each of its classes would be there twice."""
        files = {file.resolve() for file in self.files if file.stem == name.partition(".")[0]}
        return path in files or not files.isdisjoint(path.parents)

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


def file_of_the_users(name: str) -> Path | None:
    """The file, or the directory of the package, of a module that is imported here and not installed."""
    name = name.partition(".")[0]
    module = sys.modules.get(name)
    if module is None or not Shipping("auto").is_the_users(name, module):
        return None
    path = Path(str(module.__file__))
    return path.parent if path.name == "__init__.py" else path


def _forked() -> None:
    global _LOCK  # noqa: PLW0603 - a thread that is not here may have it
    _LOCK = threading.RLock()


os.register_at_fork(after_in_child=_forked)
