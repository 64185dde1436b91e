"""Modules that are not installed are sent as files: calls find in a job what they find in a process pool."""

from __future__ import annotations

import importlib
import importlib.util
import json
import marshal
import os
import subprocess
import sys
import sysconfig
import zipfile
import zlib
from pathlib import Path

import pytest

import condor_futures
from condor_futures.calls import code
from condor_futures.calls.code import CodePacker
from condor_futures.errors import PayloadError
from condor_futures.execution_point.code import MEMBER
from condor_futures.options.ship import Shipping
from condor_futures.session.session import Session

TESTS = Path(__file__).parents[2]


def write(directory, files):
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(*command, directory, places=()):
    path = [*map(str, places), str(TESTS), str(TESTS / "shapes"), str(Path(condor_futures.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SCRIPT = """
import pickle, sys, threading, typing
from compare import compare
import helper, package, space.portion, package as alias, on_the_path, developed
from helper import Model, Mood, MISSING, tool

def imports_helper():
    import helper
    return helper.double(2)

def imports_late(name):
    import late
    return late.__name__, late.value()

def imports_by_name(name):
    return __import__(name).value()

def path_module_late():
    import late_on_the_path
    return late_on_the_path.value()

def many(x):
    return helper.double(x), package.sub.value(), alias.data(), space.portion.value(), developed.where()

def is_same(model, mood, missing, function):
    same = type(model) is Model, mood is Mood.GOOD, missing is MISSING, function is helper.double
    return same, pickle.loads(pickle.dumps(model)).x

CALLS = [
    ("a function of a module", helper.double, 3),
    ("a function that uses modules", many, 3),
    ("import in a function", imports_helper),
    ("import of what nothing has imported", imports_late, "late"),
    ("import by a name that is text", imports_by_name, "dynamic"),
    ("import from PYTHONPATH of what nothing has imported", path_module_late),
    ("a submodule that only a string names", helper.submodule, "package.hidden"),
    ("getattr of a package", helper.attribute, "sub"),
    ("globals", helper.by_globals, "double"),
    ("type hints", helper.hints),
    ("identity", is_same, Model(3), Mood.GOOD, MISSING, helper.double),
    ("values", helper.values),
    ("an enum member", helper.mood, Mood.GOOD),
    ("a lock of the module", helper.locked, 2),
    ("data file", package.data),
    ("state of numpy-like settings at import", helper.limit),
    ("a decorated function", tool, 4),
    ("a method", Model(4).scaled, 2),
    ("an exception of the module", helper.fail),
    ("PYTHONPATH", on_the_path.value),
    ("compiled", helper.compiled),
    ("a class of a package", package.Thing(2).get),
    ("a singleton", helper.is_single, helper.SINGLE),
    ("in a subprocess", helper.in_a_subprocess),
]
compare(CALLS)
"""

FILES = {
    "project/script.py": SCRIPT,
    "project/late.py": "import later\ndef value(): return 5, later.X\n",
    "project/later.py": "X = 6\n",
    "project/dynamic.py": "def value(): return 7\n",
    "project/helper.py": """
import enum, functools, importlib, sys, threading, typing, subprocess
sys.setrecursionlimit(1234)
LOCK = threading.Lock()
class _Missing: ...
MISSING = _Missing()
class Mood(enum.Enum):
    GOOD = 1, "g"
    def __init__(self, n, letter): self.letter = letter
class Model:
    def __init__(self, x: "Later"): self.x = x
    def scaled(self, n): return self.x * n
    def __eq__(self, other): return type(self) is type(other) and self.x == other.x
    def __repr__(self): return f"Model({self.x})"
class Single:
    one = None
Single.one = SINGLE = Single()
Single.__reduce__ = lambda self: "SINGLE"
class Later: ...
class OwnError(Exception): ...
def double(x): return 2 * x
def submodule(name): return importlib.import_module(name).value()
def attribute(name):
    import package
    return getattr(package, name).value()
def by_globals(name): return globals()[name](3)
def hints(): return str(typing.get_type_hints(Model.__init__))
def values(): return Model(1), Mood.GOOD, double
def mood(m): return m.letter, {m: 1}[Mood.GOOD]
def locked(x):
    with LOCK: return x
def limit(): return sys.getrecursionlimit()
def timed(f):
    @functools.wraps(f)
    def wrapper(*args): return f(*args)
    return wrapper
@timed
def tool(x): return x + 1
def fail(): raise OwnError(3)
def is_single(one): return one is SINGLE
def compiled():
    from importlib.util import find_spec
    return find_spec("native").origin.endswith(".so")
def in_a_subprocess():
    return subprocess.run([sys.executable, "-c", "import package; print(package.data())"],
        capture_output=True, text=True, check=True).stdout
""",
    "project/package/__init__.py": """
from . import sub
from pathlib import Path
def data(): return (Path(__file__).parent / "data" / "table.csv").read_text()
class Thing:
    def __init__(self, x): self.x = x
    def get(self): return self.x
""",
    "project/package/sub.py": "def value(): return 1\n",
    "project/package/hidden.py": "from .sub import value\n",
    "project/package/data/table.csv": "1,2\n",
    "project/space/portion.py": "def value(): return 8\n",
    "path/on_the_path.py": "def value(): return 9\n",
    "path/late_on_the_path.py": "def value(): return 10\n",
    "src/developed/__init__.py": "from . import inner\ndef where(): return inner.X\n",
    "src/developed/inner.py": "X = 11\n",
}


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Run the script once. By name of a call: its value in a process pool, and in a job."""
    directory = tmp_path_factory.mktemp("modules")
    write(directory, FILES)
    # Any compiled module will do.
    source = next(Path(sysconfig.get_config_var("DESTSHARED")).glob("_*.so"))
    (directory / "project" / f"native{sysconfig.get_config_var('EXT_SUFFIX')}").write_bytes(source.read_bytes())
    places = directory / "path", directory / "src"
    found = json.loads(run("script.py", directory=directory / "project", places=places))
    return {name: (pool, job) for name, pool, job in found}


NAMES = [line.split('"')[1] for line in SCRIPT.splitlines() if line.startswith('    ("')]


@pytest.mark.parametrize("name", NAMES)
def test_a_call_finds_the_modules_of_the_client(compared, name):
    """The value beside it is that of a process pool, whose workers are forked."""
    pool, job = compared[name]
    assert job == pool


@pytest.fixture
def packer(tmp_path):
    """A packer of a session, as :class:`CodePacker`, and what is in the runner that it writes."""
    session = Session.create(tmp_path / "session")
    made = CodePacker(session)

    def pack(ship="auto", imports=frozenset()):
        made.want(imports)
        found = made.code(shippings.setdefault(str(ship), Shipping(ship)))
        if found is None:
            return None, {}
        data = zipfile.ZipFile(session.runner_with(found)).read(MEMBER)
        contents = marshal.loads(zlib.decompress(data))
        bytecode.update({name: contents.pop(name) for name in list(contents) if "__pycache__" in name})
        return found, contents

    shippings, bytecode = {}, {}
    pack.bytecode = bytecode
    yield pack
    session.remove()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A directory of the user's that Python imports from, without others."""
    directory = tmp_path / "place"
    directory.mkdir()
    before = set(sys.modules)
    monkeypatch.setattr(code, "_directory_of_script", lambda: None)
    monkeypatch.syspath_prepend(directory)
    importlib.invalidate_caches()
    yield directory
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_package_is_sent_whole_without_caches(place, packer):
    """A virtual environment, a repository and links to nothing stay where they are; a circle of links ends."""
    write(
        place,
        {
            "mine/__init__.py": "",
            "mine/data.txt": "1",
            "mine/inner/deep.py": "",
            "mine/.git/config": "",
            "mine/venv/pyvenv.cfg": "",
            "mine/venv/lib.py": "",
            "mine/__pycache__/x.pyc": "",
            "mine/node_modules/x.js": "",
            "mine/run.sh": "",
        },
    )
    (place / "mine" / "run.sh").chmod(0o755)
    (place / "mine" / "circle").symlink_to(place / "mine")
    (place / "mine" / "broken").symlink_to(place / "nowhere")
    importlib.import_module("mine")
    found, contents = packer()
    assert found.names == ("mine",)
    assert {name: executable for name, (_, executable) in contents.items()} == {
        "mine/__init__.py": False,
        "mine/data.txt": False,
        "mine/inner/deep.py": False,
        "mine/run.sh": True,
    }


def test_it_is_packed_again_only_if_it_has_changed(place, packer, monkeypatch):
    write(place, {"mine.py": "import other\n", "other.py": "", "third.py": ""})
    assert packer() == (None, {})
    importlib.import_module("mine")
    first, contents = packer()
    assert sorted(contents) == ["mine.py", "other.py"]
    sys.modules["something_else"] = type(sys)("something_else")
    assert packer()[0] is first
    monkeypatch.setattr(code, "_LOOK_AGAIN", -1.0)
    assert packer()[0] is first
    (place / "other.py").write_text("X = 1\n")
    second, contents = packer()
    assert second.key != first.key
    assert contents["other.py"][0] == b"X = 1\n"
    third, contents = packer(imports=frozenset({"third.part"}))
    assert sorted(contents) == ["mine.py", "other.py", "third.py"]
    assert packer()[0] is third


def test_bytecode_that_is_there_is_sent_too(place, packer, monkeypatch):
    """Jobs need not compile the module. Bytecode of another version of the source is left out."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write(place, {"mine.py": "X = 3\n", "other.py": ""})
    for name in ("mine", "other"):
        importlib.import_module(name)
    (place / "other.py").write_text("X = 1\n")
    packer()
    [(name, (data, _))] = packer.bytecode.items()
    assert name == f"./__pycache__/mine.{sys.implementation.cache_tag}.pyc"
    variables = {}
    exec(marshal.loads(data[16:]), variables)
    assert (data[:8], variables["X"]) == (importlib.util.MAGIC_NUMBER + b"\1\0\0\0", 3)


def test_ship_adds_and_removes(place, packer):
    write(place, {"mine.py": "", "other/__init__.py": ""})
    importlib.import_module("mine")
    importlib.import_module("other")
    assert packer(["auto", "-other"])[0].names == ("mine",)
    assert packer(["json"])[0].names == ("json",)
    assert "json/decoder.py" in packer(["json"])[1]
    assert packer([]) == (None, {})


def test_modules_are_where_their_names_say(place, packer):
    """A loader may find a module anywhere, and a package may have several directories, of which some are installed."""
    write(place, {"far/away.py": "", "one/space/a.py": "", "site-packages/space/b.py": ""})
    spec = importlib.util.spec_from_file_location("near.by", place / "far" / "away.py")
    sys.modules["near.by"] = importlib.util.module_from_spec(spec)
    sys.path[:0] = [str(place / "one"), str(place / "site-packages")]
    importlib.import_module("space.a")
    importlib.import_module("space.b")
    del sys.path[:2]
    assert sorted(packer()[1]) == ["near/by.py", "space/a.py"]


def test_what_is_too_large_is_refused_with_its_size(place, packer, monkeypatch):
    write(place, {"mine.py": "", "large/__init__.py": "", "large/data.bin": "x" * 3_000_000})
    importlib.import_module("mine")
    importlib.import_module("large")
    monkeypatch.setattr(code, "MOST_BYTES", 2_000_000)
    with pytest.raises(ValueError, match=r"too large: 3 MB in 3 files.*'large' has 3 MB.*ship=\['auto', '-large'\]"):
        packer()
    assert packer(["auto", "-large"])[0].names == ("mine",)


def test_code_that_cannot_be_written_is_the_error_of_the_call(place, packer, monkeypatch):
    """On a full disk, a call fails with the same kind of error whichever of its files does not fit."""
    write(place, {"mine.py": ""})
    importlib.import_module("mine")
    monkeypatch.setattr(Session, "create_file", lambda *_, **__: os.open("no such directory/file", os.O_RDONLY))
    with pytest.raises(PayloadError, match="cannot be written to: No such file"):
        packer()


def test_what_lies_beside_the_script_is_sent_if_it_is_small(place, packer, monkeypatch):
    """Nothing has imported it: a call may do so by a name that no file has."""
    monkeypatch.setattr(code, "_directory_of_script", lambda: place)
    monkeypatch.setattr(code, "MOST_BYTES_BESIDE", 1000)
    write(
        place,
        {
            "small.py": "import far_away_module\n",
            "package/__init__.py": "",
            "no_package/table.csv": "",
            "not a module.py": "",
            "large.py": "x" * 2000,
            "large_package/__init__.py": "",
            "large_package/data.txt": "x" * 2000,
        },
    )
    assert packer()[0].names == ("package", "small")


def test_modules_of_a_zip_file_are_sent_with_it(place, packer):
    with zipfile.ZipFile(place / "tools.zip", "w") as file:
        file.writestr("tools/__init__.py", "X = 1\n")
    sys.path.insert(0, str(place / "tools.zip"))
    importlib.import_module("tools")
    del sys.path[0]
    found, contents = packer()
    assert found.names == ("tools",)
    assert list(contents) == [".zip_files/tools.zip"]
