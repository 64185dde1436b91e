"""The option ``ship``: which modules are sent as files, and which further files are sent with the jobs."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Literal

from condor_futures.submit.values import quote_value

__all__ = ["Code", "Shipping", "file_of_the_users", "is_installed"]

#: The runner has these.
NEVER: frozenset[str] = frozenset({"__main__", "__mp_main__", "cloudpickle", "condor_futures"})

#: Installed modules are below these directories, wherever they are: also on the PYTHONPATH of a site's software view.
_INSTALLED = {"site-packages", "dist-packages"}
#: A file system of software, which execution points see too.
_SOFTWARE = "/cvmfs"


@cache
def _installed_places() -> tuple[str, ...]:
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages(), site.getusersitepackages()}
    places.update(sysconfig.get_paths().values())
    # As they are named, too: resolving the links in the path of each of some thousand modules takes a second.
    named = {os.path.normpath(place) for place in places} | {os.path.realpath(place) for place in places}
    return tuple(place.rstrip("/") + "/" for place in (*named, _SOFTWARE) if place != "/")


@cache
def is_installed(path: str) -> bool:
    """Return whether the file or directory *path* is part of the Python installation, or of a software distribution.

    >>> is_installed("/usr/lib/python3/dist-packages/numpy"), is_installed("/home/me/analysis/helper.py")
    (True, False)
    """
    if not _INSTALLED.isdisjoint(path.split("/")) or path.startswith(_installed_places()):
        return True
    resolved = os.path.realpath(path)
    # Also where the file is as imported: in Debian's Python, sitecustomize.py is a link to a file below /etc.
    imported = str(Path(os.path.realpath(Path(path).parent), Path(path).name))
    below = any(one.startswith(_installed_places()) for one in (resolved, imported))
    return below or not _INSTALLED.isdisjoint(resolved.split("/"))


def _top_level(name: str) -> str:
    """Return the name of the package of a module that can be imported.

    Raises:
        ImportError: there is no such module.

    """
    if not name:
        raise ImportError("'' in ship is not the name of a module")
    spec, missing = None, name
    try:
        if all(name.split(".")):
            spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
    except ValueError:
        raise ImportError(f"the module {name!r} in ship does not say which file it is from") from None
    if spec is None:
        raise ModuleNotFoundError(
            f"the module {name!r} in ship cannot be imported: No module named {missing!r}; "
            f"to ship a file, use Path({name!r})",
            name=missing,
        )
    return name.partition(".")[0]


@dataclass(frozen=True)
class Code:
    """The modules that jobs have as files.

    Attributes:
        key: names the runner that has them.
        names: the modules and packages at the top level.
        script: the file of the script, if jobs import it; with ``-m``, its module after a minus; otherwise empty.

    """

    key: str
    names: tuple[str, ...]
    script: str = ""


class Shipping:
    """Says which modules the jobs get as files.

    ``"auto"`` means the modules that are not installed: those beside the script, on PYTHONPATH, in a package in
    development. Installed modules must be installed on the execution point too.

    Attributes:
        auto: whether ``"auto"`` was given.
        added: packages that are sent although they are installed.
        removed: packages that are not sent.
        files: files and directories that are transferred as they are, from which the job can import too.

    Example:
        >>> shipping = Shipping(["auto", "json.decoder", "-helper"])
        >>> shipping.auto, shipping.added, shipping.removed
        (True, ('json',), frozenset({'helper'}))

    """

    def __init__(self, ship: Literal["auto"] | Iterable[ModuleType | str | Path]) -> None:
        """Accept ``"auto"``, or an iterable of modules, module names, names after a minus, paths, and ``"auto"``.

        Raises:
            TypeError: *ship* is something else, or contains something else.
            ImportError: a module cannot be imported.
            FileNotFoundError: a path does not exist.
            ValueError: a path has a comma, a line break, or a macro that HTCondor expands in any notation.

        """
        items = [ship] if ship == "auto" else ship
        if isinstance(items, (str, Path)) or not isinstance(items, Iterable):
            raise TypeError(f"ship must be 'auto', or a list of modules, module names and paths, not {ship!r}")
        self.auto = False
        added: dict[str, None] = {}
        removed: set[str] = set()
        self.files: list[Path] = []
        for item in items:
            match item:
                case "auto":
                    self.auto = True
                case str() if item.startswith("-"):
                    removed.add(item[1:].partition(".")[0])
                case str():
                    added[_top_level(item)] = None
                case ModuleType():
                    added[item.__name__.partition(".")[0]] = None
                case Path():
                    if not item.exists():
                        raise FileNotFoundError(f"the file {str(item)!r} in ship does not exist")
                    quote_value("transfer_input_files", item.absolute())  # raises if no submit description can name it
                    self.files.append(item.absolute())
                case _:
                    raise TypeError(f"ship takes modules, module names and paths, not {type(item).__name__}")
        self.added = tuple(added)
        self.removed = frozenset(removed)

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

    def sends(self, name: str, path: str) -> bool:
        """Return whether the module *name*, whose file is *path*, is sent as a file of its own."""
        top = name.partition(".")[0]
        if top in NEVER or top in self.removed or self._has_file(top, path):
            return False
        return top in self.added or (self.auto and not is_installed(path))

    def _has_file(self, top: str, path: str) -> bool:
        """Return whether jobs import the module from a file that is transferred as it is."""
        if not self.files:
            return False
        files = {file.resolve() for file in self.files if file.stem == top}
        resolved = Path(path).resolve()
        return resolved in files or not files.isdisjoint(resolved.parents)

    def imports_here(self, module: ModuleType) -> bool:
        """Return whether jobs import *module* from the same file as this process."""
        places: Sequence[object] = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        return any(isinstance(place, str) and self.sends(module.__name__, place) for place in places)


def file_of_the_users(name: str) -> Path | None:
    """Return the file, or the package's directory, of a module that can be imported and is not installed, or None."""
    name = name.partition(".")[0]
    if name in sys.modules:
        file = getattr(sys.modules[name], "__file__", None)
    else:
        file = getattr(importlib.util.find_spec(name), "origin", None)
    if not isinstance(file, str) or not Shipping("auto").sends(name, file):
        return None
    path = Path(file)
    return path.parent if path.name == "__init__.py" else path
