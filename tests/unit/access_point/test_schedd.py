"""The schedd's operations, as the client requests them."""

from __future__ import annotations

import inspect

import pytest

from condor_futures.access_point.helper.words import Operations
from condor_futures.access_point.schedd import Schedd
from condor_futures.errors import AccessPointError


class AccessPoint:
    """Takes requests, and answers some."""

    def __init__(self):
        self.asked = []

    def request(self, operation, answer, **arguments):
        self.asked.append((operation, arguments))
        answer(None, AccessPointError("no"))

    def ask(self, operation, timeout, **arguments):
        self.asked.append((operation, timeout, arguments))
        return 8


@pytest.fixture
def access_point():
    return AccessPoint()


OPERATIONS = [name for name in vars(Operations) if not name.startswith("_") and name != "connect"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_can_be_asked_for(name):
    """The request has the helper's parameters. AccessPoint itself connects."""
    assert inspect.signature(getattr(Schedd, name)) == inspect.signature(getattr(Operations, name))


def test_nothing_is_asked_before_the_request_is_sent(access_point):
    Schedd(access_point).remove(["7.0"])
    assert access_point.asked == []


def test_request_that_is_sent_is_answered_by_a_call(access_point):
    answers = []
    Schedd(access_point).look("true", ["ClusterId"], jobs=["7.0"]).send(lambda *answer: answers.append(answer))
    assert access_point.asked == [("look", {"constraint": "true", "projection": ["ClusterId"], "jobs": ["7.0"]})]
    [(result, error)] = answers
    assert result is None
    assert str(error) == "no"


def test_request_that_is_waited_for_has_a_result(access_point):
    """It may be made again."""
    request = Schedd(access_point).cores()
    assert [request.wait(3), request.wait(4)] == [8, 8]
    assert access_point.asked == [("cores", 3, {}), ("cores", 4, {})]


def test_arguments_that_the_operation_does_not_take_are_a_type_error(access_point):
    for request in (lambda schedd: schedd.cores(1), lambda schedd: schedd.retrieve(job="7.0")):
        with pytest.raises(TypeError):
            request(Schedd(access_point))


def test_submission_may_be_repeated(access_point):
    """The second request says that there was a first one, which stays unchanged."""
    request = Schedd(access_point).submit_dag("a.dag", {}, {}, "true")
    request.again().wait(3)
    request.wait(3)
    assert [arguments.get("again") for _, _, arguments in access_point.asked] == [True, None]
