"""Every error has a readable message, even if the event log with the job's id is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from condor_futures.calls.bundle import Bundle
from condor_futures.calls.outcomes_file import Outcome
from condor_futures.errors import RemoteTraceback
from condor_futures.options.options import Options
from condor_futures.resolving.failures import advise, missing, value_or_error
from condor_futures.state_machine import states

CAUSES = [
    states.Held("", 13, 2, "no such file"),
    states.Held("", 47, 0, "too long"),
    states.NotReleased("", 1, "it asked for 100 MiB"),
    states.Aborted("", "via condor_rm"),
    states.Aborted(""),
    states.Refused("", "no"),
    states.Terminated("", exit_status=1),
    states.Terminated("", signal=9),
    states.NotRetrieved("", "it is away"),
    states.ShadowException("", "no reason"),
    states.Evicted(""),
    states.Gone(""),
    states.Retrieved(""),
]


def sentence(cause, job_id, trouble=None):
    job = states.Job("b000001", spooled=True, job_id=job_id, holds=1)
    bundle = Bundle("b000001", Path(), Options({}, spool=True), {}, job)
    return str(missing(bundle, cause, trouble, ""))


@pytest.mark.parametrize("cause", CAUSES, ids=repr)
def test_a_job_without_an_id_is_the_job_of_the_call(cause):
    """If the job has an id, the message has the id."""
    unknown = sentence(cause, None)
    assert "None" not in unknown
    if not isinstance(cause, states.Refused):
        assert "the job of the call " in unknown
        assert sentence(cause, "7.0") == unknown.replace("the job of the call ", "the job 7.0 ")


def test_so_it_is_where_the_outcomes_are_refused():
    assert (
        sentence(states.Gone(""), None, "it is short")
        == "the outcome file of the job of the call is refused: it is short"
    )


def test_outcomes_say_where_they_are_from_as_far_as_that_is_known():
    crash = Outcome("c000000", "crashed", {"signal": 9, "host": "ep1"}, ())
    assert str(value_or_error(crash, None)[1]).endswith("was killed by SIGKILL (signal 9) (on ep1)")
    assert str(value_or_error(crash, "7.0")[1]).endswith("was killed by SIGKILL (signal 9) (job 7.0 on ep1)")
    spoilt = Outcome("c000000", "value", {"host": "ep1"}, (b"no pickle",))
    assert "the value of the call came back but cannot be unpickled here: " in str(value_or_error(spoilt, None)[1])
    assert "came back from job 7.0 but cannot" in str(value_or_error(spoilt, "7.0")[1])
    assert str(RemoteTraceback("Traceback", "ep1")) == "\non ep1:\nTraceback"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes")
def test_a_resource_that_was_given_to_the_function_is_told_where_it_goes():
    """The call may use the name on purpose, so this is only a note. The exception stays the same."""

    def told(error):
        advise(error)
        return getattr(error, "__notes__", [])

    refused = "f() got an unexpected keyword argument "
    assert told(TypeError(refused + "'request_memory'")) == [
        "If request_memory is meant for the job: executor.with_options(request_memory=...).submit(...)"
    ]
    assert len(told(TypeError(refused + "'on_hold'"))) == 1
    for other in ("'x'", "'arguments'", "'max_workers'"):
        assert told(TypeError(refused + other)) == []
    assert told(ValueError(refused + "'request_memory'")) == []
    assert told(TypeError()) == told(TypeError(1)) == []


def test_an_odd_module_keeps_no_future_from_ending(monkeypatch):
    """The advice inspects the user's program, which may have any objects."""

    class Facade:
        """An object in the place of a module."""

        def __getattr__(self, name):
            raise OSError(name)

    monkeypatch.setitem(sys.modules, "odd", Facade())
    for name in ("odd.part", 5):
        advise(error := ModuleNotFoundError("nothing there", name=name))
        assert not hasattr(error, "__notes__")


@pytest.fixture
def told():
    """The advice on an exception that a call raised: notes, or in Python 3.10 the end of the remote traceback."""

    def tell(error):
        error.__cause__ = RemoteTraceback("Traceback ...\n", "ep17", "1.0")
        advise(error)
        if hasattr(error, "add_note"):
            return "\n".join(getattr(error, "__notes__", []))
        return error.__cause__.text.removeprefix("Traceback ...").strip()

    return tell


def missing_file_error(name):
    return FileNotFoundError(2, "No such file or directory", name)


def test_a_file_that_is_here_and_not_in_the_job_is_to_be_sent(told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.csv").touch()
    for name in ("a.csv", "data/b.csv", "", 5, None):
        assert told(missing_file_error(name)) == "", name
    assert told(missing_file_error("data")) == (
        "'data' exists on this machine, but the job ran in a directory of its own: "
        "executor.with_options(transfer_input_files=['data']) sends it to the job."
    )
    assert told(missing_file_error("data/a.csv")).endswith(
        "transfer_input_files=['data/a.csv']) sends it to the job, with the name 'a.csv'."
    )
    assert "but the job ran elsewhere" in told(missing_file_error(str(tmp_path / "data/a.csv")))


def test_a_library_may_have_the_name_in_its_text_only(told, tmp_path, monkeypatch):
    """As h5py does."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.h5").touch()
    advice = told(FileNotFoundError("[Errno 2] Unable to open file (unable to open file: name = 'a.h5', errno = 2)"))
    assert advice.startswith("'a.h5' exists on this machine")
    assert told(FileNotFoundError("no 'b.h5'")) == told(FileNotFoundError()) == told(OSError("'a.h5'")) == ""
