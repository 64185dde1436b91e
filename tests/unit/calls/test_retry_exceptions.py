"""``retry_exceptions`` is checked, and pickled in the form that the runner reads."""

from __future__ import annotations

import threading

import pytest

from condor_futures import CondorFuturesError, PayloadError
from condor_futures.calls.retry_exceptions import Retries
from condor_futures.execution_point.unpickling import loads
from condor_futures.options.ship import Shipping

COMMANDS = {"max_retries": "3"}


def changed(exceptions, base=None, commands=COMMANDS):
    return (base or Retries()).changed(exceptions, commands, Shipping([]))


def classes(retries):
    return loads([bytes(segment) for segment in retries.exceptions.segments])


@pytest.mark.parametrize(
    ("given", "retried"),
    [
        (OSError, (OSError,)),
        ([OSError, ValueError], (OSError, ValueError)),
        ((KeyboardInterrupt,), (KeyboardInterrupt,)),
        (iter([CondorFuturesError]), (CondorFuturesError,)),
    ],
    ids=["class", "list", "no Exception", "iterator"],
)
def test_one_class_or_several(given, retried):
    assert classes(changed(given)) == retried


@pytest.mark.parametrize("given", [3, "OSError", [OSError, 3], int, OSError(), [OSError()]], ids=repr)
def test_what_is_no_class_of_exceptions_is_refused(given):
    with pytest.raises(TypeError, match=r"^retry_exceptions must be one or more exception classes;"):
        changed(given)


def test_none_keeps_them_and_an_empty_tuple_has_none():
    """with_options works the same way."""
    some = changed(OSError)
    assert changed(None, some) is some
    assert changed((), some).exceptions is None
    assert changed(None).exceptions is None


def test_how_often_is_said_by_the_submit_command():
    """Without max_retries, nothing would be retried. A derived executor may also remove it later."""
    with pytest.raises(ValueError, match="retry_exceptions also needs max_retries"):
        changed(OSError, commands={})
    with pytest.raises(ValueError, match="retry_exceptions also needs max_retries"):
        changed(None, changed(OSError), commands={"request_cpus": "1"})
    assert changed((), changed(OSError), commands={}).exceptions is None


def test_a_class_that_cannot_be_pickled_is_refused():
    class OddError(Exception):
        guard = threading.Lock()

    with pytest.raises(PayloadError, match=r"^retry_exceptions"):
        changed(OddError)
