"""Programs of many shapes: what is defined where, how it is imported and called, and how the program is started."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st
from kinds import KINDS, MODULES

import condor_futures

TESTS = Path(__file__).parents[1]

#: Where a module is, by the place of its definitions; the number of the definitions is ``_``.
MODULE = {
    "module": "m_",
    "odd name": "_größe_1_",
    "path": "on_path_",
    "package": "package.sub.m_",
    "relative": "package.deep.er.m_",
    "namespace": "space.portion.m_",
    "developed": "developed.inner.m_",
    "zip": "zipped.inner.m_",
    "replaced": "m_",
    "reexported": "package.m_",
}
PLACES = ["script", "guarded", "factory", *MODULE]
assert set(MODULE) == MODULES
#: The directory that a module at the top level is in: another one than the script's.
DIRECTORY = {"on_path": "lib", "space": "lib", "developed": "src", "zipped": "zip"}

#: How the script gets at definitions of a module.
IMPORTS = ["by name", "module", "star", "alias", "in the call", "by a string"]

#: How a call is made of a function and its arguments.
WAYS = {
    "plain": "{f}",
    "partial": "functools.partial({f})",
    "lambda": "(lambda *args: {f}(*args))",
    "method": "calling.Holder({f}).call",
    "through a module": "calling.apply, {f}",
    "through a decorator": "calling.wrapped({f})",
    "through a function of the script": "apply, {f}",
    "by pickle": "calling.pickled, {f}",
    "in a container": "calling.contained, [{{'f': ({f},)}}]",
}
CALLING = """
import functools, pickle
class Holder:
    def __init__(self, function): self.function = function
    def call(self, *args): return self.function(*args)
def apply(function, *args): return function(*args)
def wrapped(function): return functools.partial(apply, function)
def pickled(function, *args): return pickle.loads(pickle.dumps(function))(*pickle.loads(pickle.dumps(args)))
def contained(things, *args): return things[0]["f"][0](*args)
"""

#: How the program is started: the command, the script, and whether it has a guard.
STARTS = {
    "guard": (["app/script.py"], "app/script.py", True),
    "guard, from its directory": (["script.py"], "app/script.py", True),
    "no guard": (["app/script.py"], "app/script.py", False),
    "-m module": (["-m", "program.run"], "app/program/run.py", True),
    "-m package": (["-m", "program"], "app/program/__main__.py", True),
    "directory": (["app"], "app/__main__.py", True),
    "-c": (["-c"], "", False),
    "standard input": (["-"], "", False),
}
#: These run in the directory of the script's modules.
IN_APP = {"guard, from its directory", "-m module", "-m package", "-c", "standard input"}

#: A module that imports from its neighbour; one that is an object of another class; one whose definitions say that they
#: are of the module that people import.
RELATIVE = """
from ._n_# import *
from . import _n_# as n
globals().update((k, v) for k, v in vars(n).items() if k[0] != "_")
"""
REPLACED = """
import sys, types
class Module(types.ModuleType): ...
sys.modules[__name__].__class__ = Module
"""
REEXPORTED = """
from package import _n_# as n
for k, v in vars(n).items():
    if k[0] != "_" and k.endswith("_#"):
        globals()[k] = v
        if getattr(v, "__module__", "") == n.__name__:
            try: v.__module__ = __name__
            except Exception: pass
"""

#: A finder as those of editable installs.
EDITABLE = """
import sys
from importlib.machinery import PathFinder
class Editable:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "developed": return PathFinder.find_spec(name, [{src!r}])
sys.meta_path.append(Editable)
"""


@dataclass(frozen=True)
class Part:
    """A definition, where it is, how it is imported, and how it is called."""

    kind: str
    place: str
    imported: str
    way: str

    @property
    def dynamic(self) -> bool:
        return self.imported in ("in the call", "by a string") and self.place in MODULE


def _fits(part: Part) -> bool:
    only = KINDS[part.kind].only
    if part.place == "zip" and part.kind == "source":
        return True
    if part.imported == "star" and part.kind == "module __getattr__":
        return False
    return not only or part.place in only


parts = st.builds(
    Part, st.sampled_from(sorted(KINDS)), st.sampled_from(PLACES), st.sampled_from(IMPORTS), st.sampled_from(list(WAYS))
).filter(_fits)


@dataclass
class Project:
    """A program: its files, and how it is started."""

    parts: list[Part]
    start: str
    relative: bool = False
    files: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.files = {
            "app/calling.py": CALLING,
            "app/package/__init__.py": "",
            "app/package/sub/__init__.py": "from . import neighbour",
            "app/package/deep/__init__.py": "",
            "app/package/deep/er/__init__.py": "",
            "app/program/__init__.py": "",
            "src/developed/__init__.py": "",
            "src/developed/inner/__init__.py": "",
            "zip/zipped/__init__.py": "",
            "zip/zipped/inner/__init__.py": "",
        }
        for place in (
            "app/package/sub",
            "app/package/deep/er",
            "lib/space/portion",
            "src/developed/inner",
            "zip/zipped/inner",
        ):
            self.files[f"{place}/neighbour.py"] = "class X: ...\ndef double(x): return 2 * x\n"
            self.files[f"{place}/data/table.txt"] = "1 2\n"
        *_, self.guard = STARTS[self.start]
        # What is imported is before definitions: a program may change its search path first.
        self._top = ["import functools, importlib, sys", "import calling", "from compare import compare"]
        self._guarded: list[str] = []
        self._top += ["def apply(function, *args): return function(*args)"]
        self._calls: list[str] = []
        self._checks: list[str] = []
        for number, part in enumerate(self.parts):
            self._add(number, part)
        method = "spawn" if self.guard else "fork"
        end = "\n".join([*self._guarded, "compare([", *self._calls, "], {", *self._checks, f"}}, method={method!r})"])
        if self.guard:
            end = "if __name__ == '__main__':\n" + textwrap.indent(end, "    ")
        self.script = "\n".join([*self._top, end]) + "\n"
        if STARTS[self.start][1]:
            self.files[STARTS[self.start][1]] = self.script

    def _add(self, number: int, part: Part) -> None:
        kind = KINDS[part.kind]
        if part.place not in MODULE:
            definition, arguments, check = kind.text(number, "")
            function = f"f_{number}"
            if part.place == "script":
                self._top.append(definition)
            elif part.place == "guarded":
                self._guarded.append(definition)
            else:  # a namespace for its names
                names = "import types\n    return types.SimpleNamespace(**locals())"
                self._top.append(f"def make_{number}():\n{textwrap.indent(definition, '    ')}\n    {names}")
                self._guarded.append(f"n_{number} = make_{number}()")
                _, arguments, check = kind.text(number, f"n_{number}.")
                function = f"n_{number}.{function}"
        else:
            module = MODULE[part.place].replace("_", f"_{number}") if part.place != "odd name" else f"_größe_1_{number}"
            prefix = {"by name": "", "star": "", "alias": f"a_{number}."}.get(part.imported, f"{module}.")
            definition, arguments, check = kind.text(number, prefix)
            self._write(number, part, module, definition)
            self._top.append(self._import(number, part, module, f"{arguments} {check}"))
            function = f"{prefix}f_{number}"
        if part.dynamic:
            how = f"import {module} as m"
            if part.imported == "by a string":
                how = f"m = importlib.import_module({module[:3]!r} + {module[3:]!r})"
            self._top.append(f"def late_{number}(*args):\n    {how}\n    return m.f_{number}(*args)")
            function = f"late_{number}"
        name = json.dumps(f"{number} {part}")
        call = WAYS[part.way].format(f=function)
        self._calls.append(f"({name}, {call}, {arguments}),")
        if check:
            self._checks.append(f"{name}: lambda v: ({check}),")

    def _write(self, number: int, part: Part, module: str, definition: str) -> None:
        top = module.partition(".")[0].removesuffix(f"_{number}")
        path = f"{DIRECTORY.get(top, 'app')}/{module.replace('.', '/')}.py"
        other = path.replace(f"m_{number}", f"_n_{number}")  # of a neighbour that has the definitions
        if part.place == "relative":
            self.files[other] = definition + "\n"
            definition = RELATIVE.replace("_#", f"_{number}")
        if part.place == "replaced":
            definition += REPLACED
        if part.place == "reexported":
            self.files[other] = definition + "\n"
            definition = REEXPORTED.replace("_#", f"_{number}")
        self.files[path] = definition + "\n"

    @staticmethod
    def _import(number: int, part: Part, module: str, used: str) -> str:
        if part.imported == "star":
            return f"from {module} import *"
        if part.imported == "by name":
            names = sorted({"f", *re.findall(rf"\b([A-Za-z])_{number}\b", used)})
            extra = ["X"] if used.split()[:1] == ["X"] else []
            return f"from {module} import {', '.join([f'{one}_{number}' for one in names] + extra)}"
        if part.imported == "alias":
            return f"import {module} as a_{number}"
        return f"import {module}"

    def write(self, directory: Path) -> None:
        for name, text in self.files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with zipfile.ZipFile(directory / "zipped.zip", "w") as file:
            for path in sorted((directory / "zip").rglob("*.*")):
                file.write(path, path.relative_to(directory / "zip"))
        site = directory / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(EDITABLE.format(src=str(directory / "src")))

    def run(self, directory: Path, **environment: str) -> list[tuple[str, str, str]]:
        """Run the program in *directory*; return the name of each call, and its outcomes in a pool and in a job."""
        self.write(directory)
        command, *_ = STARTS[self.start]
        cwd = directory / "app" if self.start in IN_APP else directory
        places = [directory / "lib", directory / "zipped.zip", directory / "site"]
        if self.relative:
            places = [Path(os.path.relpath(place, cwd)) for place in places]
        repository = Path(condor_futures.__file__).parents[1]
        path = [*places, TESTS, TESTS / "shapes", repository]
        done = subprocess.run(
            [sys.executable, *command, *([self.script] if command == ["-c"] else [])],
            cwd=cwd,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(map(str, path))},
            input=self.script if command == ["-"] else None,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, f"{self}\n{done.stderr}"
        return [tuple(one) for one in json.loads(done.stdout)]


projects = st.builds(Project, st.lists(parts, min_size=8, max_size=14), st.sampled_from(list(STARTS)), st.booleans())


def drawn(seed: int) -> Project:
    """Return a program with twelve kinds of definitions, which has a guard."""
    draw = random.Random(seed)
    found: list[Part] = []
    for kind in draw.sample(sorted(KINDS), 12):
        fitting = [
            part for place in PLACES if _fits(part := Part(kind, place, draw.choice(IMPORTS), draw.choice(list(WAYS))))
        ]
        found.append(draw.choice(fitting))
    return Project(found, draw.choice(["guard", "-m module"]))


def _is_by_value(part: Part, project: Project) -> bool:
    return part.place not in MODULE and (not project.guard or part.place != "script")


#: Known differences, in the table of ``docs/how-to/coming-from-processpoolexecutor.md``: by kind of definition, whether
#: this outcome in a job is the documented one.
DIFFERENT = {
    "function that comes back": lambda part, project, job: part.place == "factory" and job.endswith(" False"),
    "interned": lambda part, project, job: _is_by_value(part, project) and "takes no arguments" in job,
    "identity": lambda part, project, job: part.place == "factory" and job.startswith("KeyError"),
    "copyreg": lambda part, project, job: _is_by_value(part, project) and part.way == "by pickle" and "pickle" in job,
}
