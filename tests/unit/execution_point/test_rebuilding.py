"""Modules that travel by value."""

from __future__ import annotations

import importlib
import sys

import cloudpickle
import pytest

from condor_futures.calls.pickling import pickle_object

pytestmark = pytest.mark.usefixtures("by_value")


@pytest.fixture
def neighbours(tmp_path, monkeypatch):
    """Make modules of the user's that travel by value. The job cannot import them by name."""

    def make(**texts):
        (tmp_path / "neighbours").mkdir()
        monkeypatch.syspath_prepend(tmp_path / "neighbours")
        for name, text in texts.items():
            (tmp_path / "neighbours" / f"{name}.py").write_text(text)
        modules = [importlib.import_module(name) for name in texts]
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
            made.append(module)
        return modules

    made = []
    yield make
    for module in made:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules[module.__name__]


SETTINGS = """
VALUE = 0
options = {"a": 0}
handlers = {}

class Model:
    weight = 0

model = Model()

def get():
    return VALUE, options["a"], model.weight

def handle():
    return sorted(handlers)

handlers["one"] = handle
"""


def test_module_and_its_functions_have_one_namespace(job, neighbours):
    """The functions of such a module see what is set in it, wherever they come from."""
    settings, user = neighbours(
        settings=SETTINGS, user_of_it="import settings\nfrom settings import get\nimport user_of_it as me\n"
    )

    def use(value, get):
        settings.VALUE = value
        return (
            settings.get()[0],
            get()[0],
            user.get()[0],
            user.settings.VALUE,
            settings.Model.__module__,
            user is user.me,
        )

    assert job.run((use, 4, settings.get)) == [(4, 4, 4, 4, "settings", True)]


def test_what_initializer_and_calls_set_in_a_module_stays(job, neighbours):
    """Changes to its objects stay too, although each call brings the client's copy."""
    (settings,) = neighbours(settings=SETTINGS)

    def begin():
        settings.VALUE = 7
        settings.options["a"] = 7
        settings.model.weight = 7
        settings.new = 7
        settings.handlers["two"] = settings.get

    def use(get, handle):
        settings.VALUE += 1
        settings.model.weight += 1
        return get(), settings.new, handle()

    results = job.run(*[(use, settings.get, settings.handle)] * 2, initializer=(begin,))
    assert results == [((8, 7, 8), 7, ["one", "two"]), ((9, 7, 9), 7, ["one", "two"])]


def test_what_the_client_has_set_since_is_seen(job, neighbours):
    """The call must be pickled later than the initializer, or than another call of the job, unless these set the value
    themselves.
    """
    (settings,) = neighbours(settings=SETTINGS)
    parts = pickle_object((settings.get, ()), "(initializer, initargs)")
    settings.VALUE, settings.options["a"], settings.handlers["two"] = 5, 5, settings.get
    job.write((settings.get,), (lambda handle: (handle(), settings.VALUE), settings.handle), pickled_initializer=parts)
    job.finish()
    assert job.results() == [(5, 5, 0), (["one", "two"], 5)]


def test_module_that_travels_cannot_be_imported_by_its_name(job, neighbours):
    """A clear error is better than a part of the module."""
    (settings,) = neighbours(settings=SETTINGS)

    def use():
        import settings as by_name

        return settings, by_name

    (error,) = job.run((use,))
    assert type(error) is ModuleNotFoundError


def test_value_of_a_class_of_a_module_that_travels_is_found_by_the_next_call(job, neighbours, tmp_path):
    """The next call's job may know nothing of the module yet."""
    (settings,) = neighbours(settings=SETTINGS)

    def make():
        settings.VALUE = 3
        return settings.model, settings.get

    (model, get) = job.run((make,))[0]
    assert type(model) is settings.Model
    assert get()[0] == 3
