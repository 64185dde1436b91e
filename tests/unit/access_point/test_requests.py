"""Requests to the helper process and their answers, when all goes well and when the helper fails to answer.

The helpers here are small scripts instead of the real one. They exit or hang on demand. The tests on a real pool cover
the real helper with a schedd.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import queue
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from condor_futures.access_point import helper_process
from condor_futures.access_point.location import Location
from condor_futures.access_point.requests import AccessPoint
from condor_futures.errors import AccessPointError, CredentialError
from condor_futures.ownership import WrongThreadError

# The helper process.

HELPER = """
import json, os, sys, time
LOG = {log!r}
assert isinstance(json.loads(sys.stdin.readline()), list)
with open(LOG, "a") as file:
    print("started", os.getpid(), file=file)

def log():
    with open(LOG) as file:
        return file.read()

def answer(request, **content):
    print(json.dumps({{"id": request["id"], **content}}), flush=True)

for line in sys.stdin:
    request = json.loads(line)
    operation, arguments = request["operation"], request["arguments"]
    with open(LOG, "a") as file:
        print(operation, json.dumps(arguments), file=file)
    starts = log().count("started")
{body}
    else:
        answer(request, result=arguments)
"""

CONNECTS = """
    if operation == "connect":
        answer(request, result={"Name": "ap1@example.org"})
"""


class Helper:
    """A substitute for the helper, which records the requests in a log."""

    def __init__(self, path: Path) -> None:
        self.script = path / "helper.py"
        self.log = path / "helper.log"
        self.log.touch()

    def write(self, body: str) -> None:
        self.script.write_text(HELPER.format(log=str(self.log), body=body))

    def asked(self) -> list[tuple]:
        """All requests to all helper processes, in order."""
        lines = [line.partition(" ") for line in self.log.read_text().splitlines()]
        return [(word, json.loads(rest)) for word, _, rest in lines if word not in {"started", "connect"}]

    def pids(self) -> list[int]:
        return [int(line.split()[1]) for line in self.log.read_text().splitlines() if line.startswith("started")]


@pytest.fixture
def processes(monkeypatch):
    """All processes that were started."""
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(helper_process.subprocess, "Popen", Popen)
    yield started
    for process in started:
        assert process.returncode is not None, "a helper process still runs"
        with contextlib.suppress(OSError):
            process.stdin.close()


@pytest.fixture
def helper(tmp_path, monkeypatch, processes):
    """A helper whose behaviour the test decides. The fixture checks that nothing of it is left."""
    helper = Helper(tmp_path)
    helper.write(CONNECTS)
    before = set(threading.enumerate())  # the session's executor may have threads with the same names
    monkeypatch.setattr(helper_process, "_HELPER", helper.script)
    yield helper
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not [name for name in left if name.startswith("condor_futures")]


@pytest.fixture
def connect():
    """Connect to access points, and close them at the end."""
    made = []

    def connect(location=Location(), **options):  # noqa: B008 - it is frozen
        made.append(AccessPoint(location))
        made[-1].connect(**options)
        return made[-1]

    yield connect
    for point in made:
        point.kill()


@pytest.fixture
def answers():
    """The answers in the order of their arrival."""
    return queue.SimpleQueue()


def ask(point, answers, operation="echo", **arguments):
    point.request(operation, lambda result, error: answers.put((result, error)), **arguments)


def outcome(answers, timeout=None):
    """Return the next answer. Without a timeout, the limit is that of pytest."""
    result, error = answers.get(timeout=timeout)
    assert (result is None) or (error is None)
    return result if error is None else error


def test_connect_tells_who_answers(helper, connect):
    point = connect()
    assert point.about == {"Name": "ap1@example.org"}
    assert point.usable


def test_only_the_owners_change_an_access_point(helper, connect, answers):
    """Its lock's holder, and its threads; and so do its requests."""
    point = connect()
    with pytest.raises(WrongThreadError, match=r"AccessPoint\.location: it belongs to the holder of its lock"):
        point.location = Location()
    with pytest.raises(WrongThreadError, match=r"AccessPoint by _take\(\): it belongs to the holder of its lock"):
        point._take(0)
    with pytest.raises(WrongThreadError, match=r"AccessPoint\._deaths: it belongs to its reader thread"):
        point._deaths = 0
    with pytest.raises(WrongThreadError, match=r"AccessPoint\.given must not change: it belongs to nobody"):
        point.given = Location()
    helper.write(STALLS)
    os.kill(helper.pids()[0], signal.SIGKILL)
    ask(point, answers, "stall")
    [request] = point._requests.values()
    with pytest.raises(WrongThreadError, match=r"_Request\.attempts: it belongs to its writer thread"):
        request.attempts = 0
    with point._lock:
        point.location = point.location


def test_connect_says_which_schedd_is_meant(helper, connect):
    helper.write("    if True:\n        answer(request, result=arguments)")
    assert connect(Location("cm", "ap1")).about == {"pool": "cm", "name": "ap1", "local": False}


def test_helper_has_the_environment_of_the_location(helper, connect):
    """CONDOR_CONFIG selects the HTCondor. The client's own environment keeps its value."""
    helper.write("    if True:\n        answer(request, result={'config': os.environ.get('CONDOR_CONFIG')})")
    assert connect(Location(environment={"CONDOR_CONFIG": "/pool/config"})).about == {"config": "/pool/config"}


FAILS = """
    if operation == "connect":
        answer(request, error="Failed to connect to schedd", type="HTCondorException")
"""


def test_local_schedd_that_cannot_be_reached(helper):
    """The error has HTCondor's reason, and names an alternative."""
    helper.write(FAILS)
    point = AccessPoint(Location())
    with pytest.raises(AccessPointError) as caught:
        point.connect()
    message = str(caught.value)
    assert message.startswith("the local schedd cannot be used: Failed to connect to schedd")
    assert "access_point='personal'" in message
    assert "\n" not in message
    assert not point.usable


def test_remote_schedd_that_cannot_be_reached(helper):
    """A user who named a schedd does not want a personal pool."""
    helper.write(FAILS)
    with pytest.raises(AccessPointError) as caught:
        AccessPoint(Location("cm", "ap1")).connect()
    assert str(caught.value) == "the schedd ap1 in the pool cm cannot be used: Failed to connect to schedd"


def test_schedd_that_does_not_answer(helper):
    """The waiting process gets an answer."""
    helper.write("    if operation == 'connect':\n        pass")
    with pytest.raises(AccessPointError, match=r"^the schedd ap1 did not answer within 0\.5 s$"):
        AccessPoint(Location(name="ap1")).connect(timeout=0.5)


def test_helper_that_cannot_even_start(helper):
    """For example, htcondor2 is missing. The client tries a few times, and then raises AccessPointError."""
    helper.write("    if True:\n        os._exit(4)")
    with pytest.raises(AccessPointError, match="cannot be used"):
        AccessPoint(Location()).connect()


def test_answers_come_in_the_order_of_the_requests(helper, connect, answers):
    point = connect()
    for number in range(100):
        ask(point, answers, number=number)
    assert [outcome(answers) for _ in range(100)] == [{"number": number} for number in range(100)]


def test_answers_find_their_requests(helper, connect, answers):
    """The numbers match them, even if the answers come in another order."""
    helper.write(
        CONNECTS
        + """
    elif operation == "first":
        kept = request
    elif operation == "second":
        answer(request, result="second")
        answer(kept, result="first")
"""
    )
    point = connect()
    found = {}
    for operation in ("first", "second"):
        point.request(operation, lambda result, error, operation=operation: answers.put((operation, result)))
    found = dict(answers.get() for _ in range(2))
    assert found == {"first": "first", "second": "second"}


def test_requests_from_many_threads(helper, connect, answers):
    """Each request gets its own answer, however the threads interleave."""
    point = connect()
    threads = [
        threading.Thread(target=lambda n=n: [ask(point, answers, n=n, i=i, text="x" * 10_000) for i in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = [outcome(answers) for _ in range(80)]
    for n in range(4):
        assert [result["i"] for result in results if result["n"] == n] == list(range(20))


def test_error_of_an_operation_is_an_access_point_error(helper, connect, answers):
    """The helper continues."""
    helper.write(CONNECTS + "    elif operation == 'act':\n        answer(request, error='no such job', type='X')")
    point = connect()
    ask(point, answers, "act")
    ask(point, answers, number=1)
    error = outcome(answers)
    assert isinstance(error, AccessPointError)
    assert str(error) == "no such job"
    assert outcome(answers) == {"number": 1}
    assert len(helper.pids()) == 1


def test_asking_gives_the_result_or_raises_the_error(helper, connect):
    """The class is the one that corresponds to the helper's own error."""
    helper.write(
        CONNECTS
        + """
    elif operation == "refuse":
        answer(request, error="no ticket", type=arguments["type"])
    elif operation == "sleep":
        pass
"""
    )
    point = connect()
    assert point.ask("echo", 30, word="hello") == {"word": "hello"}
    for name, kind in {"CredentialError": CredentialError, "HTCondorException": AccessPointError}.items():
        with pytest.raises(AccessPointError, match="no ticket") as caught:
            point.ask("refuse", 30, type=name)
        assert type(caught.value) is kind
    with pytest.raises(AccessPointError, match=r"the schedd ap1@example.org did not answer within 0\.1 s"):
        point.ask("sleep", 0.1)


DIES_ONCE = (
    CONNECTS
    + """
    elif starts == 1:
        os._exit(3)
"""
)


@pytest.fixture
def deaths(caplog):
    """Return what the client logged about helpers that exited."""
    caplog.set_level(logging.WARNING, "condor_futures")
    return caplog


def test_request_whose_helper_dies_is_made_again(helper, connect, answers, deaths):
    """Another helper makes it, and gets the address of the schedd. A query can simply be repeated."""
    helper.write(DIES_ONCE)
    point = connect(Location(name="ap1"))
    ask(point, answers, "query", constraint="true")
    assert outcome(answers) == {"constraint": "true"}
    assert helper.asked() == [("query", {"constraint": "true"})] * 2
    assert len(helper.pids()) == 2
    assert helper.log.read_text().count('connect {"pool": null, "name": "ap1", "local": false}') == 2
    assert "exited with status 3" in deaths.text


def test_submission_whose_helper_dies_is_made_again_with_care(helper, connect, answers):
    """The first submission may have succeeded before the helper exited. The second one is told to look for it."""
    helper.write(DIES_ONCE)
    point = connect()
    ask(point, answers, "submit", batch="B == 1")
    assert outcome(answers) == {"batch": "B == 1", "again": True}
    assert helper.asked() == [("submit", {"batch": "B == 1"}), ("submit", {"batch": "B == 1", "again": True})]


def test_helper_that_dies_again_and_again_is_given_up(helper, connect, answers, deaths, monkeypatch):
    """Without a request, the client would restart it for ever. The next request then gets an error."""
    helper.write("    if starts > 1:\n        os._exit(4)\n" + CONNECTS.replace("if operation", "elif operation", 1))
    monkeypatch.setattr(AccessPoint, "PAUSE", 0.001)
    point = connect(Location(name="ap1"))
    reader = point._reader
    os.kill(helper.pids()[0], signal.SIGKILL)
    while point.usable:
        reader.join(0.01)
        reader = point._reader
    assert len(helper.pids()) == AccessPoint.DEATHS
    assert deaths.text.count("starting another") == AccessPoint.DEATHS - 1
    ask(point, answers)
    error = outcome(answers)
    assert isinstance(error, AccessPointError)
    assert str(error) == "the helper process for the schedd ap1 keeps exiting; last exit status: 4"


@pytest.fixture
def refused_starts(processes, monkeypatch):
    """The machine has no memory for *times* helper processes. Return how many were requested since."""
    monkeypatch.setattr(AccessPoint, "PAUSE", 0.001)
    start = helper_process.subprocess.Popen
    asked = []

    def refuse(times):
        def popen(*args, **options):
            asked.append(args)
            if len(asked) <= times:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
            return start(*args, **options)

        monkeypatch.setattr(helper_process.subprocess, "Popen", popen)
        return asked

    return refuse


def test_helper_that_cannot_be_started_is_tried_again(helper, connect, answers, refused_starts):
    """Memory becomes available later. The requests made meanwhile get their answers then."""
    point = connect()
    asked = refused_starts(AccessPoint.DEATHS - 2)
    os.kill(helper.pids()[0], signal.SIGKILL)
    ask(point, answers, number=1)
    assert outcome(answers) == {"number": 1}
    assert len(asked) == AccessPoint.DEATHS - 1


def test_helper_that_can_never_be_started_is_given_up(helper, connect, answers, deaths, refused_starts):
    """Earlier and later requests get an error with the reason."""
    point = connect()
    asked = refused_starts(100)
    helper.write(STALLS)
    os.kill(helper.pids()[0], signal.SIGKILL)
    ask(point, answers, number=1)
    errors = [outcome(answers)]
    assert not point.usable
    ask(point, answers, number=2)
    errors.append(outcome(answers))
    said = "the helper process for the schedd ap1@example.org cannot be started: [Errno 12] Cannot"
    assert [str(error)[: len(said)] for error in errors] == [said] * 2
    assert len(asked) == AccessPoint.DEATHS - 1


def test_end_while_no_helper_can_be_started(helper, connect, answers, refused_starts, monkeypatch):
    """The end does not wait for the next attempt."""
    point = connect()
    monkeypatch.setattr(AccessPoint, "PAUSE", 1000.0)
    monkeypatch.setattr(AccessPoint, "LONGEST_PAUSE", 1000.0)
    asked = refused_starts(100)
    os.kill(helper.pids()[0], signal.SIGKILL)
    ask(point, answers, number=1)
    while not asked:
        point._reader.join(0.01)
    point.close()
    assert isinstance(outcome(answers), AccessPointError)
    assert len(asked) == 1


@pytest.mark.parametrize("which", ["_reader", "_writer"])
def test_helper_without_a_thread_beside_it_ends(helper, processes, monkeypatch, which):
    """For example, the user may not have more threads."""
    point = AccessPoint(Location())

    def refuse():
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(getattr(point, which), "start", refuse)
    with pytest.raises(AccessPointError, match="cannot be started: can't start new thread"):
        point.connect()
    assert [process.returncode for process in processes] == [-signal.SIGKILL]
    point.close()


def test_helper_that_is_replaced_speaks_with_the_same_schedd(helper, connect, answers):
    """Another schedd may be the local one by then."""
    helper.write("""
    if operation == "connect":
        with open(LOG + ".where", "a") as file:
            print(json.dumps(arguments), file=file)
        answer(request, result={"Name": "ap1@example.org", "Pool": "cm"})
    elif operation == "die":
        os._exit(3)
""")
    point = connect()
    assert str(point.location) == "the schedd ap1@example.org in the pool cm"
    ask(point, answers, "die")
    outcome(answers)
    where = [json.loads(line) for line in Path(f"{helper.log}.where").read_text().splitlines()]
    assert where[0] == {"pool": None, "name": None, "local": False}
    assert where[1] == {"pool": "cm", "name": "ap1@example.org", "local": True}


def test_first_helper_that_cannot_be_started_is_an_error(helper, refused_starts):
    refused_starts(1)
    with pytest.raises(AccessPointError, match=r"local schedd cannot be started: Cannot allocate memory$"):
        AccessPoint(Location()).connect()


def test_a_helper_is_given_up_within_the_time_that_is_promised():
    """The pauses between one helper and the next; see the page on guarantees."""
    pauses = [min(AccessPoint.PAUSE * 2**n, AccessPoint.LONGEST_PAUSE) for n in range(2, AccessPoint.DEATHS)]
    assert sum(pauses) == 35


def test_helper_that_answers_is_started_again_without_limit(helper, connect, answers, monkeypatch):
    """Each of these helpers exits, but only after it has answered."""
    helper.write(CONNECTS + "    elif operation == 'die':\n        os._exit(4)")
    monkeypatch.setattr(AccessPoint, "PAUSE", 0.001)
    point = connect()
    for number in range(AccessPoint.DEATHS + 2):
        ask(point, answers, "die")
        assert isinstance(outcome(answers), AccessPointError)
        ask(point, answers, number=number)
        assert outcome(answers) == {"number": number}


def test_all_requests_under_way_are_made_again(helper, connect, answers):
    """They are made again in their order."""
    helper.write(DIES_ONCE)
    point = connect()
    for number in range(20):
        ask(point, answers, number=number)
    assert [outcome(answers) for _ in range(20)] == [{"number": number} for number in range(20)]
    assert len(helper.pids()) == 2


def test_helper_that_is_killed_between_requests_is_replaced(helper, connect, answers):
    point = connect()
    ask(point, answers, number=1)
    assert outcome(answers) == {"number": 1}
    os.kill(helper.pids()[0], signal.SIGKILL)
    ask(point, answers, number=2)
    assert outcome(answers) == {"number": 2}
    assert len(helper.pids()) == 2


def test_request_that_kills_every_helper_is_an_error(helper, connect, answers):
    """The limit is ATTEMPTS helpers. Later requests are not affected."""
    helper.write(CONNECTS + "    elif operation == 'deadly':\n        os._exit(9)")
    point = connect()
    ask(point, answers, "deadly")
    error = outcome(answers)
    assert isinstance(error, AccessPointError)
    assert str(error).endswith("exited with status 9 before it answered")
    assert [word for word, _ in helper.asked()] == ["deadly"] * AccessPoint.ATTEMPTS
    ask(point, answers, number=1)
    assert outcome(answers) == {"number": 1}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_helper_that_dies_while_it_answers(helper, connect, answers):
    """Half an answer does not count: the client makes the request again."""
    helper.write(
        CONNECTS
        + """
    elif starts == 1:
        sys.stdout.write('{"id": 1, "result": [1, 2, 3')
        sys.stdout.flush()
        os._exit(3)
"""
    )
    point = connect()
    ask(point, answers, number=1)
    assert outcome(answers, timeout=3.0) == {"number": 1}


def test_helper_that_writes_no_message_is_replaced(helper, connect, answers, deaths):
    """Nobody knows what the output means, so the client makes its requests again."""
    helper.write(CONNECTS + "    elif starts == 1:\n        print('noise', flush=True)\n        time.sleep(1000)")
    point = connect()
    ask(point, answers, number=1)
    assert outcome(answers) == {"number": 1}
    assert len(helper.pids()) == 2
    assert "wrote a malformed message: b'noise" in deaths.text


def test_close_lets_the_helper_finish(helper, connect, answers):
    """Earlier requests get answers. No request is made afterwards."""
    point = connect()
    for number in range(10):
        ask(point, answers, number=number)
    point.close()
    assert not point.usable
    assert [outcome(answers) for _ in range(10)] == [{"number": number} for number in range(10)]
    ask(point, answers, number=10)
    error = outcome(answers)
    assert isinstance(error, AccessPointError)
    assert str(error) == "the executor is closed"
    assert len(helper.asked()) == 10
    assert len(helper.pids()) == 1


STALLS = CONNECTS + "    elif operation == 'stall':\n        time.sleep(1000)"


@pytest.mark.parametrize("how", ["close", "kill"])
def test_end_of_a_helper_that_does_not_answer(helper, connect, answers, how):
    """Nobody waits for ever: requests under way get an error, and no other helper starts."""
    helper.write(STALLS)
    point = connect()
    ask(point, answers, "stall")
    ask(point, answers, number=1)
    if how == "close":
        point.close(timeout=0.1)
    else:
        point.kill()
    assert [type(outcome(answers)) for _ in range(2)] == [AccessPointError] * 2
    assert len(helper.pids()) == 1


@pytest.mark.parametrize("how", ["close", "kill"])
def test_end_may_come_twice(helper, connect, how):
    point = connect()
    for _ in range(2):
        getattr(point, how)()
    assert not point.usable


@pytest.mark.parametrize(
    "how",
    [
        "close",
        pytest.param("kill"),
        pytest.param("die"),
    ],
)
def test_nothing_of_an_ended_helper_stays_open(helper, processes, connect, answers, how):
    """However the helper ended, both its pipes are closed, so that no helper leaks a descriptor."""
    helper.write(DIES_ONCE if how == "die" else STALLS)
    point = connect()
    if how == "kill":
        point.kill()
    else:
        ask(point, answers, "stall")
        if how == "die":
            outcome(answers)
        point.close(timeout=0.1)
    assert [process.stdout.closed for process in processes] == [True] * len(processes)
    assert [process.stdin.closed for process in processes] == [True] * len(processes)


def test_end_before_the_beginning():
    """An executor that fails while it is made closes its access point."""
    point = AccessPoint(Location())
    point.close()
    point.kill()


def test_large_requests_do_not_wait_for_their_answers(helper, connect, answers):
    """Both pipes may be full: the client reads answers while it writes requests."""
    point = connect()
    text = "x" * 1_000_000
    for number in range(5):
        ask(point, answers, number=number, text=text)
    assert [outcome(answers)["number"] for _ in range(5)] == list(range(5))


def test_large_request_does_not_wait_for_the_schedd(helper, connect, answers):
    """request() returns at once, even while the helper waits for the schedd and reads nothing."""
    helper.write(STALLS)
    point = connect()
    ask(point, answers, "stall")
    thread = threading.Thread(target=ask, args=(point, answers), kwargs={"text": "x" * 1_000_000})
    thread.start()
    thread.join(2.0)
    waits = thread.is_alive()
    point.kill()
    thread.join()
    assert not waits


def test_without_htcondor_the_error_says_so(tmp_path, processes):
    """The real helper, with a configuration without a pool."""
    config = tmp_path / "condor_config"
    config.write_text("COLLECTOR_HOST = 127.0.0.1:1\n")
    point = AccessPoint(Location(environment={"CONDOR_CONFIG": str(config)}))
    with pytest.raises(AccessPointError, match=r"^the local schedd cannot be used: .*access_point='personal'"):
        point.connect()
    assert not point.usable
