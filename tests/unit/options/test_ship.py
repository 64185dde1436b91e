"""Which modules travel by value."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

import condor_futures
from condor_futures.options import ship
from condor_futures.options.ship import Shipping


def run(text, *places):
    path = [*map(str, places), str(Path(condor_futures.__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def place(tmp_path):
    """A directory with a module, and the module's name."""
    directory = tmp_path / "lib" / "python3" / "site-packages"
    directory.mkdir(parents=True)
    (directory / "of_a_view.py").write_text("def f(): ...\n")
    return directory


_NAMES = "from condor_futures.options.ship import Shipping; print([m.__name__ for m in Shipping('auto').modules()])"


def test_what_lies_in_site_packages_is_installed_wherever_those_are(place):
    """An example is a site's software view in PYTHONPATH. Sending numpy by value would not help there."""
    assert run(f"import of_a_view; {_NAMES}", place) == "[]"
    (place.parent / "neighbour.py").write_text("")
    assert run(f"import neighbour; {_NAMES}", place.parent) == "['neighbour']"


def test_a_link_in_the_standard_library_is_installed(tmp_path, monkeypatch):
    """In Debian's Python, sitecustomize.py is a link to a file below /etc."""
    library, elsewhere = tmp_path / "library", tmp_path / "etc"
    for directory in (library, elsewhere):
        directory.mkdir()
    (elsewhere / "site_of_ours.py").write_text("")
    (library / "site_of_ours.py").symlink_to(elsewhere / "site_of_ours.py")
    monkeypatch.syspath_prepend(library)
    module = importlib.import_module("site_of_ours")
    assert Shipping("auto").is_the_users("site_of_ours", module)
    monkeypatch.setattr(ship, "_installed_places", lambda: (library.resolve(),))
    assert not Shipping("auto").is_the_users("site_of_ours", module)


def test_modules_whose_files_are_shipped_travel_by_name(place):
    """If they also travelled by value, the job would have each of their classes twice.

    A module of a package has another name there.
    """
    top = place.parent
    for name in ("helper.py", "pack/__init__.py", "pack/inner.py", "whole/__init__.py", "whole/inner.py"):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text("")
    text = """
import helper, pack.inner, whole.inner
from pathlib import Path
from condor_futures.options import ship
from condor_futures.options.ship import Shipping
top = Path(helper.__file__).parent
ship = ["auto", top / "helper.py", top / "pack" / "inner.py", top / "whole"]
print([module.__name__ for module in Shipping(ship).modules()])
"""
    assert run(text, top) == "['pack', 'pack.inner']"


def test_cloudpickle_outside_the_installation_does_not_pickle_itself(tmp_path):
    """It did so until the recursion limit, and no call could be pickled."""
    own = tmp_path / "own"
    source = Path(cloudpickle.__file__).parent
    shutil.copytree(source, own / "cloudpickle", ignore=shutil.ignore_patterns("__pycache__"))
    text = """
from condor_futures.calls.pickling import pickle_object
from condor_futures.options import ship
from condor_futures.options.ship import Shipping
import cloudpickle
print(cloudpickle.__file__)
pickle_object(lambda: 1, "function", None, Shipping("auto"))
"""
    assert run(text, own) == str(own / "cloudpickle" / "__init__.py")


def test_modules_that_are_imported_later_or_again_are_seen(tmp_path, monkeypatch):
    """Between two calls, the user may import any module, or import a changed module again."""
    monkeypatch.syspath_prepend(tmp_path)
    shipping = Shipping("auto")
    before = shipping.modules()
    (tmp_path / "a_neighbour.py").write_text("")
    try:
        for _ in range(2):
            module = importlib.import_module("a_neighbour")
            assert [m for m in shipping.modules() if m not in before] == [module]
            del sys.modules["a_neighbour"]
    finally:
        sys.modules.pop("a_neighbour", None)


@pytest.mark.parametrize("name", ["a,b.py", "a$$(b).py", "a\nb.py"])
def test_shipped_file_that_no_list_of_files_can_name_is_refused(tmp_path, name):
    """The error comes with the option, not with the submission."""
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match="transfer_input_files"):
        Shipping([tmp_path / name])
