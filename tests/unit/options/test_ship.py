"""Which modules are sent as files."""

import importlib
import sys
from types import ModuleType

import pytest

from condor_futures.options import ship
from condor_futures.options.ship import Shipping, file_of_the_users, is_installed


def test_what_lies_in_site_packages_is_installed_wherever_those_are(tmp_path):
    """An example is a site's software view in PYTHONPATH. Sending numpy would not help there."""
    place = tmp_path / "lib" / "python3" / "site-packages"
    assert is_installed(str(place / "of_a_view.py"))
    assert not is_installed(str(place.parent / "neighbour.py"))
    assert is_installed("/cvmfs/sw.example.org/view/lib/tool.py")


def test_a_link_in_the_standard_library_is_installed(tmp_path, monkeypatch):
    """In Debian's Python, sitecustomize.py is a link to a file below /etc."""
    library, elsewhere = tmp_path / "library", tmp_path / "etc"
    for directory in (library, elsewhere):
        directory.mkdir()
    (elsewhere / "site_of_ours.py").write_text("")
    (library / "site_of_ours.py").symlink_to(elsewhere / "site_of_ours.py")
    assert Shipping("auto").sends("site_of_ours", str(library / "site_of_ours.py"))
    is_installed.cache_clear()
    monkeypatch.setattr(ship, "_installed_places", lambda: (f"{library}/",))
    assert not Shipping("auto").sends("site_of_ours", str(library / "site_of_ours.py"))


def test_modules_whose_files_are_transferred_as_they_are_are_not_sent_twice(tmp_path):
    for name in ("helper.py", "pack/__init__.py", "pack/inner.py", "whole/__init__.py", "whole/inner.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    shipping = Shipping(["auto", tmp_path / "helper.py", tmp_path / "pack" / "inner.py", tmp_path / "whole"])
    sent = {
        name: shipping.sends(name, str(tmp_path / file))
        for name, file in {
            "helper": "helper.py",
            "pack": "pack/__init__.py",
            "pack.inner": "pack/inner.py",
            "whole": "whole/__init__.py",
            "whole.inner": "whole/inner.py",
        }.items()
    }
    assert sent == {"helper": False, "pack": True, "pack.inner": True, "whole": False, "whole.inner": False}


def test_names_add_and_remove_packages(tmp_path):
    """A submodule or a module object stands for its whole package."""
    own = str(tmp_path / "own.py")
    json_file = importlib.import_module("json").__file__
    assert not Shipping("auto").sends("json", json_file)
    assert Shipping(["auto", "json.decoder"]).sends("json.encoder", json_file)
    assert Shipping([importlib.import_module("json.decoder")]).added == ("json",)
    assert not Shipping(["json"]).sends("own", own)
    assert not Shipping(["auto", "-own.inner"]).sends("own", own)
    assert not Shipping([]).sends("own", own)


@pytest.mark.parametrize("name", ["condor_futures", "cloudpickle.cloudpickle", "__main__"])
def test_what_the_runner_has_is_never_sent(name, tmp_path):
    """Cloudpickle may be outside of the installation, as our package is in development."""
    assert not Shipping("auto").sends(name, str(tmp_path / "x.py"))


def test_a_package_that_is_not_there_is_refused(monkeypatch):
    with pytest.raises(ModuleNotFoundError, match=r"'no_such' in ship cannot be imported.*Path\('no_such'\)"):
        Shipping(["no_such"])
    with pytest.raises(ModuleNotFoundError, match="no_such"):
        Shipping(["no_such.inner"])
    with pytest.raises(ImportError, match="'' in ship is not the name of a module"):
        Shipping([""])
    for name in ("./no_such.py", ".no_such", "no_such."):
        with pytest.raises(ModuleNotFoundError, match=r"cannot be imported.*to ship a file, use Path"):
            Shipping([name])
    monkeypatch.setitem(sys.modules, "made_here", ModuleType("made_here"))
    with pytest.raises(ImportError, match="'made_here' in ship does not say which file"):
        Shipping(["made_here"])


def test_the_file_of_a_module_of_the_users(tmp_path, monkeypatch):
    """It is named in advice."""
    (tmp_path / "a_package_of_mine").mkdir()
    (tmp_path / "a_package_of_mine" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert file_of_the_users("a_package_of_mine") == tmp_path / "a_package_of_mine"
    assert "a_package_of_mine" not in sys.modules
    importlib.import_module("a_package_of_mine")
    assert file_of_the_users("a_package_of_mine.inner") == tmp_path / "a_package_of_mine"
    assert file_of_the_users("json") is None
    assert file_of_the_users("no_such_module") is None
    del sys.modules["a_package_of_mine"]


@pytest.mark.parametrize("name", ["a,b.py", "a$$(b).py", "a\nb.py"])
def test_shipped_file_that_no_list_of_files_can_name_is_refused(tmp_path, name):
    """The error comes with the option, not with the submission."""
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match="transfer_input_files"):
        Shipping([tmp_path / name])
