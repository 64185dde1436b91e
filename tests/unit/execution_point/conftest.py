"""Jobs without HTCondor, and the functions that they call."""

from __future__ import annotations

import sys

import cloudpickle
import pytest
import sandbox
import warm_sandbox
from chirp_proxy import ChirpProxy
from sandbox import (
    SECRET,
    SESSION,
    Sandbox,
)
from warm_sandbox import WarmSandbox

from condor_futures.execution_point.frames import write_frame
from condor_futures.execution_point.unpickling import dumps


@pytest.fixture(scope="module")
def by_value(request):
    """The tests' functions behave like those of a user's script: the execution point cannot import them."""
    modules = sandbox, warm_sandbox, sys.modules[request.module.__name__]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    yield
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture
def job(tmp_path):
    return Sandbox(tmp_path)


@pytest.fixture(params=["at the end", "as they come", "with a line that does not work"])
def any_job(request, tmp_path):
    """A job whose outcomes come at its end, or as its calls end."""
    if request.param == "at the end":
        yield Sandbox(tmp_path)
        return
    for name in ("job", "line"):
        (tmp_path / name).mkdir()
    proxy = ChirpProxy(tmp_path / "line")
    (tmp_path / "config").write_text(proxy.config)
    if request.param == "with a line that does not work":
        proxy.close()
    yield Sandbox(tmp_path / "job", tmp_path / "line", _CONDOR_CHIRP_CONFIG=str(tmp_path / "config"))
    proxy.close()


@pytest.fixture
def warm_job(tmp_path):
    made = WarmSandbox(tmp_path)
    yield made
    made.close()


@pytest.fixture
def parent(tmp_path):
    """The outcomes of another job: call c000100 returned 1024."""
    path = tmp_path / "parent.outcomes"
    header = {"kind": "outcome", "session": SESSION, "call": "c000100", "result": "value", "host": "ep1"}
    with path.open("wb") as file:
        write_frame(file, SECRET, header, dumps(1024))
    return path


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """A Chirp proxy for the job that is this process."""
    (tmp_path / "line").mkdir()
    made = ChirpProxy(tmp_path / "line")
    (tmp_path / "config").write_text(made.config)
    monkeypatch.setenv("_CONDOR_CHIRP_CONFIG", str(tmp_path / "config"))
    yield made
    made.close()
