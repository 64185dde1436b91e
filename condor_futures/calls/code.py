"""Packs the modules that jobs import as files: once per session, and again when they have changed.

1. The modules that the program has imported, and that :mod:`condor_futures.options.ship` says to send, are sent whole:
   for a module of a package the package, with its data files.
2. Modules that the files of these, or the functions of a call, name in an ``import`` are sent too.
3. So are modules beside the script that nothing has imported yet, as long as they are small.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import marshal
import os
import re
import stat
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Final

from condor_futures.calls.main_script import main_script
from condor_futures.calls.pickling import definitions_of_script
from condor_futures.errors import CondorFuturesError, PayloadError
from condor_futures.execution_point.code import ZIP_FILES
from condor_futures.execution_point.main_module import DEFINITIONS, SCRIPT
from condor_futures.options.ship import Code, Shipping
from condor_futures.session.session import Session

__all__ = ["CodePacker"]

#: All code of a session together; and modules beside the script that nothing has imported.
MOST_BYTES, MOST_FILES, MOST_BYTES_BESIDE, MOST_FILES_BESIDE = 100 << 20, 10_000, 10 << 20, 500
#: Seconds after which the files are looked at again.
_LOOK_AGAIN: Final = 1.0
_SUFFIXES: Final = tuple(importlib.machinery.all_suffixes())
_IMPORT: Final = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
#: Directories that no package needs.
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules"})


@dataclass
class _Unit:
    """A module or package at the top level."""

    name: str
    files: dict[str, Path] = field(default_factory=dict)  # by their names in the job
    paths: set[Path] = field(default_factory=set)
    size: int = 0

    def add(self, name: str, path: Path, size: int) -> None:
        self.files[name] = path
        self.paths.add(path)
        self.size += size

    def add_tree(self, name: str, directory: Path, most: int | None = None) -> None:
        """Add a package's *directory*; stop at *most* bytes."""
        for path, inner, size in _walk(directory):
            self.add(f"{name}/{inner}", path, size)
            if most is not None and (self.size > most or len(self.files) > MOST_FILES_BESIDE):
                return


def _walk(directory: Path, seen: frozenset[tuple[int, int]] = frozenset()) -> Iterator[tuple[Path, str, int]]:
    """Yield path, relative name and size of the files of a package, without caches and virtual environments."""
    try:
        about = directory.stat()
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        return
    here = (about.st_dev, about.st_ino)
    if here in seen or any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name in _LEFT_OUT or entry.name.endswith((".pyc", ".egg-info")):
            continue
        try:
            if entry.is_dir():
                for inner, name, size in _walk(path, seen | {here}):
                    yield inner, f"{entry.name}/{name}", size
            elif stat.S_ISREG(entry.stat().st_mode):
                yield path, entry.name, entry.stat().st_size
        except OSError:  # a link to nothing
            continue


class CodePacker:
    """Packs the code of one session. Any thread may use it."""

    def __init__(self, session: Session) -> None:
        """Pack code for *session*, which gets a runner for each version of the code."""
        self._session = session
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._definitions: bytes | None = None
        self._known: dict[Shipping, _Packed] = {}

    def want(self, modules: AbstractSet[str]) -> None:
        """Send *modules*, too: functions of calls import them."""
        if not modules <= self._wanted:
            with self._lock:
                self._wanted |= modules

    def code(self, ship: Shipping) -> Code | None:
        """Return the code for jobs, as *ship* says; None if there is none.

        Raises:
            ValueError: the code is too large.
            OSError: a file cannot be read.
            PayloadError: the session cannot be written to.

        """
        if not (ship.auto or ship.added):
            return None
        with self._lock:
            known = self._known.get(ship)
            if known is not None and known.wanted == len(self._wanted) and known.is_current(ship):
                return known.code
            wanted = self._wanted.copy()
            units = _Search(ship, wanted).units()
            _check_size(units)
            packed = _Packed(units, self._write(units, ship), _imported(ship), len(wanted))
            self._known[ship] = packed
            return packed.code

    def _write(self, units: dict[str, _Unit], ship: Shipping) -> Code | None:
        files = {name: path for unit in units.values() for name, path in unit.files.items()}
        contents = {name: (path.read_bytes(), os.access(path, os.X_OK)) for name, path in sorted(files.items())}
        contents.update(_bytecode(files))
        script, about = main_script() if ship.auto else None, ""
        if script is not None:
            about = f"-{script.module}" if script.module else script.path.name
            contents[f"{SCRIPT}/{script.path.name}"] = script.path.read_bytes(), False
            if self._definitions is None:  # once, because equal definitions have different pickles
                self._definitions = marshal.dumps(definitions_of_script(ship))
            contents[DEFINITIONS] = self._definitions, False
        if not contents:
            return None
        data = marshal.dumps(contents)
        code = Code(blake2b(data, digest_size=8).hexdigest(), tuple(sorted(units)), about)
        if not self._session.runner_with(code).exists():
            try:
                self._session.write_runner(code, zlib.compress(data, 3))
            except CondorFuturesError as error:
                raise PayloadError(str(error)) from error.__cause__
        return code


def _bytecode(files: dict[str, Path]) -> Iterator[tuple[str, tuple[bytes, bool]]]:
    """Yield the bytecode of modules that Python has cached here, so that jobs need not compile them."""
    for name, path in files.items():
        if path.suffix != ".py":
            continue
        cache = Path(importlib.util.cache_from_source(str(path)))
        try:
            data, about = cache.read_bytes(), path.stat()
        except OSError:
            continue
        made_of = struct.pack("<4sIII", importlib.util.MAGIC_NUMBER, 0, int(about.st_mtime), about.st_size)
        if data[:16] == made_of:
            # In the job the source has another time: its bytecode is not compared with it (PEP 552).
            header = importlib.util.MAGIC_NUMBER + (0b01).to_bytes(4, "little") + bytes(8)
            yield f"{Path(name).parent}/__pycache__/{cache.name}", (header + data[16:], False)


class _Packed:
    """What was packed, and what it depends on."""

    def __init__(
        self, units: dict[str, _Unit], code: Code | None, imported: dict[str, ModuleType], wanted: int
    ) -> None:
        self.code = code
        self.wanted = wanted
        self._imported = imported
        self._modules = _modules_state()
        sources = [path for unit in units.values() for path in unit.files.values() if path.name.endswith(_SUFFIXES)]
        self._files = _files_state(sources)
        self._looked = time.monotonic()

    def is_current(self, ship: Shipping) -> bool:
        """Return whether neither the imported modules that are sent nor the files have changed."""
        if self._modules != _modules_state():
            if self._imported != _imported(ship):
                return False
            self._modules = _modules_state()
        if time.monotonic() - self._looked > _LOOK_AGAIN:
            self._looked = time.monotonic()
            return self._files == _files_state(self._files)
        return True


def _imported(ship: Shipping) -> dict[str, ModuleType]:
    """Return the imported modules that are sent, by name."""
    found = {}
    for name, module in sys.modules.copy().items():
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and ship.sends(name, file):
            found[name] = module
    return found


def _modules_state() -> object:
    newest = next(reversed(sys.modules))  # new modules are at the end
    return len(sys.modules), newest, id(sys.modules.get(newest))


def _files_state(paths: Iterable[Path]) -> dict[Path, tuple[int, int] | None]:
    state: dict[Path, tuple[int, int] | None] = {}
    for path in paths:
        try:
            about = path.stat()
            state[path] = about.st_size, about.st_mtime_ns
        except OSError:
            state[path] = None
    return state


class _Search:
    """Finds the modules to send."""

    def __init__(self, ship: Shipping, wanted: Iterable[str]) -> None:
        self._ship = ship
        self._wanted = {name.partition(".")[0] for name in wanted}
        self._units: dict[str, _Unit] = {}
        self._seen: set[str] = set()

    def units(self) -> dict[str, _Unit]:
        """Return the modules and packages at the top level, by name."""
        for name, module in _imported(self._ship).items():
            self._add_imported(name, module, Path(str(module.__file__)))
        for name in self._ship.added:
            self._add_found(name)
        if self._ship.auto:
            main = getattr(sys.modules.get("__main__"), "__file__", None)
            if isinstance(main, str) and main.endswith(".py"):
                self._wanted |= _imported_in(Path(main))
            self._follow_imports()
            self._add_beside()
            self._follow_imports()
        return {name: unit for name, unit in self._units.items() if unit.files}

    def _unit(self, name: str) -> _Unit:
        return self._units.setdefault(name, _Unit(name))

    def _add_imported(self, name: str, module: ModuleType, path: Path) -> None:
        top = name.partition(".")[0]
        self._add_package(top, getattr(sys.modules.get(top), "__path__", ()))
        unit = self._unit(top)
        archive = getattr(getattr(module, "__loader__", None), "archive", None)
        if isinstance(archive, str) and Path(archive).is_file():
            unit.files[f"{ZIP_FILES}/{Path(archive).name}"] = Path(archive)
            unit.size = max(unit.size, Path(archive).stat().st_size)
        if path not in unit.paths and path.is_file():
            # At the top level, or in a package whose directory has not this file: the name says where it goes.
            suffix = path.name.partition(".")[2]
            inner = name.replace(".", "/") + ("/__init__" if hasattr(module, "__path__") else "")
            unit.add(f"{inner}.{suffix}", path, path.stat().st_size)

    def _add_package(self, name: str, places: Iterable[object]) -> None:
        for place in places:
            if isinstance(place, str) and place not in self._seen and self._ship.sends(name, place):
                self._seen.add(place)
                self._unit(name).add_tree(name, Path(place))

    def _add_found(self, name: str) -> None:
        """Add a module or package that nothing has imported, if it is to be sent."""
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return
        if spec is None:
            return
        if spec.submodule_search_locations is not None:
            self._add_package(name, list(spec.submodule_search_locations))
        elif spec.origin is not None and Path(spec.origin).is_file() and self._ship.sends(name, spec.origin):
            path = Path(spec.origin)
            self._unit(name).add(path.name, path, path.stat().st_size)

    def _follow_imports(self) -> None:
        done: set[Path] = set()
        while True:
            for unit in list(self._units.values()):
                for path in unit.files.values():
                    if path.suffix == ".py" and path not in done:
                        done.add(path)
                        self._wanted |= _imported_in(path)
            new = self._wanted - self._units.keys() - sys.stdlib_module_names - sys.modules.keys() - self._seen
            if not new:
                return
            self._seen |= new
            for name in new:
                self._add_found(name)

    def _add_beside(self) -> None:
        """Add small modules and packages beside the script: a call may import them by a name that no file has."""
        directory = _directory_of_script()
        if directory is None:
            return
        found = []
        try:
            entries = list(os.scandir(directory))
        except OSError:
            return
        for entry in entries:
            name, _, suffix = entry.name.partition(".")
            path = Path(entry.path)
            if not name.isidentifier() or name in self._units or not self._ship.sends(name, entry.path):
                continue
            unit = _Unit(name)
            if not suffix and (path / "__init__.py").is_file():
                unit.add_tree(name, path, MOST_BYTES_BESIDE)
            elif f".{suffix}" in _SUFFIXES and suffix != "pyc" and path.is_file():
                unit.add(entry.name, path, path.stat().st_size)
            found.append(unit)
        size = number = 0
        for unit in sorted(found, key=lambda unit: (unit.size, unit.name)):
            size, number = size + unit.size, number + len(unit.files)
            if size <= MOST_BYTES_BESIDE and number <= MOST_FILES_BESIDE:
                self._units[unit.name] = unit


def _directory_of_script() -> Path | None:
    """Return the directory from which Python imports because the program was started from there."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if isinstance(file, str) and getattr(main, "__spec__", None) is None:
        directory = Path(file).absolute().parent
        there = {str(directory), str(directory.resolve())}
    else:
        directory, there = Path.cwd(), {"", str(Path.cwd())}
    return directory if not there.isdisjoint(sys.path) else None


def _imported_in(path: Path) -> set[str]:
    try:
        return {name.decode() for name in _IMPORT.findall(path.read_bytes())}
    except OSError:
        return set()


def _check_size(units: dict[str, _Unit]) -> None:
    size, number = sum(unit.size for unit in units.values()), sum(len(unit.files) for unit in units.values())
    if size <= MOST_BYTES and number <= MOST_FILES:
        return
    largest = max(units.values(), key=lambda unit: (unit.size, len(unit.files)))
    raise ValueError(
        f"the modules that jobs import as files are too large: {size / 1e6:.0f} MB in {number} files, of which "
        f"{largest.name!r} has {largest.size / 1e6:.0f} MB in {len(largest.files)} files; at most "
        f"{MOST_BYTES / 1e6:.0f} MB in {MOST_FILES} files are sent. Leave it out with ship=['auto', '-{largest.name}'] "
        "and let jobs find it elsewhere, or keep its data outside of the package"
    )
