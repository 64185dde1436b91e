"""The messages between client and helper."""

from __future__ import annotations

import pytest

from condor_futures.access_point.helper.serving import Performer
from condor_futures.access_point.helper.words import (
    SUBMISSIONS,
    MessageError,
    Operation,
    Operations,
    answer_from,
    either,
    encode,
    request_from,
)

REQUEST = {"id": 7, "operation": "retrieve", "arguments": {"jobs": ["1.0"]}, "patience": 60.0}


def test_request_is_read_as_it_was_written():
    assert request_from(encode(REQUEST)) == REQUEST
    assert request_from(encode(None)) is None


@pytest.mark.parametrize("answer", [{"id": 7, "result": None}, {"id": 7, "error": "no\nticket", "type": "ValueError"}])
def test_answer_is_read_as_it_was_written(answer):
    line = encode(answer)
    assert answer_from(line) == answer
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("operation", ["frobnicate", "_locate", "__init__", "perform"])
def test_unknown_operation_is_named(operation):
    """The helper's classes may even have a method of that name."""
    with pytest.raises(MessageError, match=rf"^unknown operation '{operation}'$") as caught:
        request_from(encode({**REQUEST, "operation": operation}))
    assert caught.value.number == 7


@pytest.mark.parametrize("missing", ["operation", "arguments", "patience"])
def test_request_without_one_of_its_parts_is_malformed(missing):
    """The error shows the request, and can still be sent to the thread that waits for the answer."""
    line = encode({key: value for key, value in REQUEST.items() if key != missing})
    with pytest.raises(MessageError, match=r'^malformed request: b?.*"id": 7') as caught:
        request_from(line)
    assert caught.value.number == 7


@pytest.mark.parametrize("line", ["", "{", "[]", "7", '"text"', "{}", '{"id": "7"}', b"\xff\n"])
@pytest.mark.parametrize("read", [request_from, answer_from])
def test_what_is_no_message_is_an_error_that_shows_it(read, line):
    with pytest.raises(MessageError, match=r"^malformed (message|request|answer): ") as caught:
        read(line)
    assert caught.value.number is None
    assert ascii(line) in str(caught.value)


@pytest.mark.parametrize("answer", [{"id": 7}, {"id": 7, "error": "no"}, {"id": 7, "error": 3, "type": "X"}])
def test_answer_with_neither_result_nor_error_is_malformed(answer):
    with pytest.raises(MessageError, match="malformed answer"):
        answer_from(encode(answer))


def test_error_about_a_long_message_is_short():
    with pytest.raises(MessageError) as caught:
        answer_from("x" * 1_000_000)
    assert len(str(caught.value)) < 300


def test_every_operation_has_a_name():
    """The client requests operations by these names, as strings in its messages."""
    assert [name.value for name in Operation] == [name for name in vars(Operations) if not name.startswith("_")]
    assert request_from(encode({**REQUEST, "operation": Operation.CORES}))["operation"] == "cores"


def test_helper_carries_out_every_operation():
    """No operation is only declared."""
    operations = [name for name in vars(Operations) if not name.startswith("_")]
    assert len(operations) == 15
    assert set(operations) > SUBMISSIONS
    assert [name for name in operations if getattr(Performer, name) is getattr(Operations, name)] == []


def test_constraint_that_selects_jobs():
    assert either(["7.0", "12.3"]) == "(ClusterId == 7 && ProcId == 0) || (ClusterId == 12 && ProcId == 3)"
