"""The real helper answers requests, without a schedd and with one that comes and goes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from condor_futures.access_point.helper import locating, serving

# The real helper, without a schedd.

SERVE = """
import os, sys
sys.path.insert(0, {directory!r})
from condor_futures.access_point.helper import serving, words

words._OPERATIONS |= {{"echo", "fail", "noise"}}

class Performer:
    def perform(self, operation, arguments, patience):
        if operation == "noise":
            os.write(1, b"noise of a C library\\n")
            print("noise of Python")
        if operation == "fail":
            raise ValueError()
        return arguments

serving.serve(Performer)
"""


@pytest.fixture
def server():
    directory = str(Path(serving.__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", SERVE.format(directory=directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def serve(server, operation, **arguments):
    request = {"id": 1, "operation": operation, "arguments": arguments, "patience": 0}
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


def test_what_the_bindings_print_is_no_answer(server):
    """The output goes to standard error."""
    assert serve(server, "noise", number=1) == {"id": 1, "result": {"number": 1}}
    assert serve(server, "echo", number=2) == {"id": 1, "result": {"number": 2}}
    _, errors = server.communicate()
    assert "noise of a C library" in errors
    assert "noise of Python" in errors


def test_error_without_words_has_its_type(server):
    assert serve(server, "fail") == {"id": 1, "error": "ValueError", "type": "ValueError"}


def test_unknown_operation_is_an_error_that_names_it(server):
    """The helper continues."""
    error = {"id": 1, "error": "unknown operation 'frobnicate'", "type": "MessageError"}
    assert serve(server, "frobnicate") == error
    assert serve(server, "echo") == {"id": 1, "result": {}}


def test_malformed_request_is_an_error(server):
    """If the request has a number, the answer has the error.

    Otherwise, the helper ends, so that nobody waits for an answer.
    """
    server.stdin.write('{"id": 8, "operation": "echo"}\n')
    server.stdin.flush()
    answer = json.loads(server.stdout.readline())
    assert (answer["id"], answer["type"]) == (8, "MessageError")
    assert answer["error"].startswith("malformed request: ")
    assert "echo" in answer["error"]
    _, errors = server.communicate("what?\n")
    assert server.returncode == 1
    assert "malformed message: 'what?" in errors


def test_interrupt_is_the_clients_business(server):
    """With Ctrl-C in a terminal, the client decides what becomes of its jobs, and needs the helper for it."""
    assert serve(server, "echo") == {"id": 1, "result": {}}
    server.send_signal(signal.SIGINT)
    assert serve(server, "echo") == {"id": 1, "result": {}}


def test_helper_ends_with_its_client(server):
    """However the client ends, its end of the pipe is closed."""
    assert serve(server, "echo") == {"id": 1, "result": {}}
    server.stdin.close()
    assert server.wait() == 0


# A schedd that comes and goes.


class Schedd:
    """A schedd with a schedule: at each of the times, it goes away for some seconds. Then it has another address."""

    def __init__(self, monkeypatch, *away):
        self.now, self.away = 0.0, away
        monkeypatch.setattr(serving, "time", self)
        self.operations = serving.Performer()
        self.operations._locate = self.locate
        self.operations._check_permission = lambda: None
        self.operations._schedd = object()
        self.operations.ask = self.ask
        self.attempts = 0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    @property
    def address(self):
        return str(sum(self.now >= start + seconds for start, seconds in self.away))

    def check(self):
        if any(start <= self.now < start + seconds for start, seconds in self.away):
            raise self.operations._htcondor.HTCondorException("Failed to connect to schedd")

    def locate(self):
        self.check()
        self.operations._address = self.address

    def ask(self):
        self.attempts += 1
        self.check()
        if self.operations._address != self.address:
            raise self.operations._htcondor.HTCondorException("Error when performing action on the schedd")
        return self.now


def test_schedd_that_is_restarted_again_and_again_does_what_it_is_asked(monkeypatch):
    """The absences are shorter than the patience. The helper asks soon after the schedd has returned."""
    schedd = Schedd(monkeypatch, (0, 7), (9, 1.5), (11, 1), (12.5, 5))
    schedd.operations._address = "0"
    assert schedd.operations.perform("ask", {}, 60.0) < 20


def test_schedd_that_is_away_for_longer_than_the_patience_is_an_error(monkeypatch):
    schedd = Schedd(monkeypatch, (0, 100))
    with pytest.raises(locating.AwayError, match="Failed to connect"):
        schedd.operations.perform("ask", {}, 60.0)
    assert 60 <= schedd.now < 75


def test_schedd_that_does_not_know_the_user_any_more_is_away(monkeypatch):
    """Read-only clients still get answers. Other requests are carried out when the schedd knows the user again."""
    schedd = Schedd(monkeypatch)
    schedd.operations._address = "0"

    def check_permission():
        if schedd.now < 30:
            raise PermissionError("authentication failed")

    schedd.operations._check_permission = check_permission
    schedd.operations.ask = lambda: schedd.check() or (schedd.now if schedd.now >= 30 else schedd.refuse())

    def refuse():
        raise schedd.operations._htcondor.HTCondorException("no")

    schedd.refuse = refuse
    with pytest.raises(locating.AwayError, match="authentication failed"):
        schedd.operations.perform("ask", {}, 10.0)
    assert 30 <= schedd.operations.perform("ask", {}, 60.0) < 45


def test_request_that_a_schedd_refuses_is_tried_twice(monkeypatch):
    schedd = Schedd(monkeypatch)
    schedd.operations._address = "0"
    schedd.operations.ask = lambda: schedd.check() or schedd.refuse()
    refused = []

    def refuse():
        refused.append(schedd.now)
        raise schedd.operations._htcondor.HTCondorException("no")

    schedd.refuse = refuse
    with pytest.raises(schedd.operations._htcondor.HTCondorException, match="no"):
        schedd.operations.perform("ask", {}, 60.0)
    assert refused == [0.0, 0.5]


def test_what_older_bindings_lack_is_told_in_a_sentence(monkeypatch):
    """Other attributes that do not exist are bugs of ours."""
    operations = Schedd(monkeypatch).operations

    def ask(thing):
        return thing.frobnicate()

    operations.ask = ask
    with pytest.raises(
        NotImplementedError, match=r"bindings \d+\.\d+\.\d+ have no frobnicate; install newer ones with"
    ):
        operations.perform("ask", {"thing": operations._htcondor}, 60.0)
    with pytest.raises(AttributeError, match="frobnicate"):
        operations.perform("ask", {"thing": operations}, 60.0)


def test_bindings_24_are_given_a_queue_statement(monkeypatch, capsys):
    """They fail without one, although they make their own, and they print the description."""
    operations = Schedd(monkeypatch).operations
    submitted = []

    class Bindings24:
        def submit(self, submit, *, spool, itemdata=None):
            print("a description")
            submit.getQArgs()[-2]
            submitted.append((dict(submit), spool, itemdata and list(itemdata)))
            return len(submitted)

    operations._schedd = Bindings24()
    assert operations._add(operations._htcondor.Submit({"a": "b"}), [{"c": "d"}], spool=True) == 1
    assert operations._add(operations._htcondor.Submit({"a": "b"})) == 2
    assert submitted == [({"a": "b"}, True, [{"c": "d"}]), ({"a": "b"}, False, None)]
    assert capsys.readouterr().out == ""


def test_bindings_without_ping_check_no_permission(monkeypatch):
    operations = serving.Performer()
    monkeypatch.setattr(operations, "_htcondor", object())
    operations._check_permission()
