"""Errors can be pickled, copied and chained, and their text agrees with their attributes."""

from __future__ import annotations

import concurrent.futures
import copy
import inspect
import pickle
import traceback

import cloudpickle
import pytest

import condor_futures
from condor_futures import errors
from condor_futures.errors import (
    AccessPointError,
    BrokenCondorExecutor,
    CondorFuturesError,
    CondorFuturesWarning,
    CredentialError,
    DependencyError,
    InstallError,
    JobCrashedError,
    JobError,
    JobHeldError,
    JobLostError,
    JobRemovedError,
    JobTimeLimitError,
    OutcomeError,
    PayloadError,
    PersonalPoolError,
    PythonMismatchError,
    RemoteExceptionError,
    RemoteTraceback,
    SharedObjectError,
)

FACTS = {
    "job_id": "7.0",
    "reason": "memory exceeded",
    "code": 34,
    "subcode": 102,
    "exit_status": 3,
    "signal": 9,
    "stderr_tail": "Traceback ...\nMemoryError\n",
}

ONE_OF_EACH = [
    CondorFuturesError("the message"),
    CondorFuturesWarning("the message"),
    PayloadError("the message"),
    OutcomeError("the message"),
    RemoteExceptionError("the message", "module.MyError"),
    SharedObjectError("the message"),
    DependencyError("the message"),
    AccessPointError("the message"),
    CredentialError("the message", "https://ap.example.org/key/1"),
    JobError("the message", **FACTS),
    JobHeldError("the message", **FACTS),
    JobTimeLimitError("the message", **FACTS),
    JobRemovedError("the message", **FACTS),
    JobCrashedError("the message", **FACTS),
    JobLostError("the message", **FACTS),
    PythonMismatchError("the message", **FACTS),
    BrokenCondorExecutor("the message"),
    PersonalPoolError("the message"),
    InstallError("the message"),
    RemoteTraceback("Traceback ...\nthe message\n", "ep1", "7.0"),
]

each = pytest.mark.parametrize("error", ONE_OF_EACH, ids=lambda error: type(error).__name__)
each_job_error = pytest.mark.parametrize("kind", [JobError, *JobError.__subclasses__()], ids=lambda kind: kind.__name__)


def test_there_is_one_of_each():
    """A new error class needs an entry here."""
    classes = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert classes == {type(error) for error in ONE_OF_EACH}


@each
def test_error_is_public_and_documented(error):
    kind = type(error)
    assert getattr(condor_futures, kind.__name__) is kind
    assert kind.__name__ in errors.__all__
    assert kind.__doc__
    if kind is not RemoteTraceback:
        assert kind.__name__ in errors.__doc__, "the tree of classes lacks it"


def by_protocol(protocol):
    return pytest.param(lambda error: pickle.loads(pickle.dumps(error, protocol)), id=f"pickle {protocol}")


@each
@pytest.mark.parametrize(
    "travel",
    [
        *map(by_protocol, range(pickle.HIGHEST_PROTOCOL + 1)),
        pytest.param(lambda error: pickle.loads(cloudpickle.dumps(error)), id="cloudpickle"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
    ],
)
def test_error_keeps_everything_when_it_travels(error, travel):
    """A call may raise one, and a parent's error travels to the child."""
    arrived = travel(error)
    assert type(arrived) is type(error)
    assert arrived.args == error.args
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)


@pytest.mark.parametrize(
    "error",
    [pytest.param(error) if type(error) is RemoteExceptionError else error for error in ONE_OF_EACH],
    ids=lambda error: type(error).__name__,
)
def test_error_keeps_what_was_hung_on_it_when_it_travels(error):
    """The user or add_note() may have added it."""
    error = copy.copy(error)
    error.extra = {"of": "the user"}
    assert pickle.loads(pickle.dumps(error)).extra == {"of": "the user"}


@each_job_error
def test_facts_are_attributes(kind):
    error = kind("the message", **FACTS)
    assert {name: getattr(error, name) for name in FACTS} == FACTS
    assert error.args == ("the message",)


@each_job_error
def test_facts_that_nobody_knows_are_none(kind):
    error = kind("the message")
    assert {name: getattr(error, name) for name in FACTS} == {**dict.fromkeys(FACTS), "stderr_tail": ""}
    assert str(error) == "the message"


@each_job_error
def test_end_of_standard_error_is_in_the_text(kind):
    """The user sees the job's last output at once, below the message, without trailing blanks."""
    error = kind("the message", stderr_tail="Traceback ...\nMemoryError\n\n")
    assert str(error).splitlines() == [
        "the message",
        "--- the end of its standard error ---",
        "Traceback ...",
        "MemoryError",
    ]


def test_standard_error_of_blanks_is_left_out():
    assert str(JobError("the message", stderr_tail=" \n\n")) == "the message"


def test_facts_are_given_by_name():
    """Nobody has to remember their order."""
    with pytest.raises(TypeError):
        JobError("the message", "7.0")


def test_standard_library_knows_them():
    """Code for pickle, or for another executor, catches our errors."""
    assert issubclass(PayloadError, pickle.PicklingError)
    assert issubclass(BrokenCondorExecutor, concurrent.futures.BrokenExecutor)


@each
def test_all_but_the_cause_are_of_one_tree(error):
    """RemoteTraceback is not meant to be caught, and CondorFuturesWarning not to be raised."""
    assert isinstance(error, CondorFuturesError) != isinstance(error, (RemoteTraceback, CondorFuturesWarning))


def test_remote_traceback_is_printed_with_the_error():
    """Python prints it as a cause: first the job and the host, then the local traceback."""
    error = ValueError("no")
    error.__cause__ = RemoteTraceback('Traceback:\n  File "x.py", line 3, in f\nValueError: no\n', "ep1", "7.0")
    text = "".join(traceback.format_exception(error))
    assert "job 7.0 on ep1:" in text
    assert 'File "x.py", line 3, in f' in text
    assert text.index("in f") < text.index("direct cause")


def test_remote_exception_keeps_the_name_of_its_class():
    error = RemoteExceptionError("the message", "module.MyError")
    assert (str(error), error.type_name) == ("the message", "module.MyError")
    assert RemoteExceptionError("the message").type_name == ""
