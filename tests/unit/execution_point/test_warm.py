"""Warm jobs without HTCondor: calls come through a line with all its faults, and each call has one outcome."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest
from chirp_proxy import BAD_DESCRIPTOR, INVALID_REQUEST, NO_SPACE, OFFLINE
from sandbox import BUNDLE, SESSION, fail, kill_itself, kill_the_group, note, note_and, read_null
from support import until
from warm_sandbox import KEY, echo, identify

from condor_futures.calls import calls_file
from condor_futures.errors import (
    BrokenCondorExecutor,
    DependencyError,
    JobCrashedError,
    PythonMismatchError,
)
from condor_futures.execution_point import packing
from condor_futures.execution_point.bundle import NO_LINE, Bundle
from condor_futures.execution_point.frames import read_frames, write_frame
from condor_futures.execution_point.unpickling import dumps

pytestmark = [pytest.mark.usefixtures("by_value"), pytest.mark.timeout(60)]


@pytest.fixture
def impatient(warm_job, tmp_path, monkeypatch):
    """Jobs wait for a broken line for a moment only."""
    here = Path(packing.__file__).parent
    there = shutil.copytree(here, tmp_path / "impatient", ignore=shutil.ignore_patterns("__pycache__"))
    for name, value in {"warm": "\nPATIENCE = 60.0\n", "exchange": "\nLAST_TIMEOUT = 10.0\n"}.items():
        source = (there / f"{name}.py").read_text()
        assert value in source
        (there / f"{name}.py").write_text(source.replace(value, value.partition("=")[0] + "= 0.5\n"))
    monkeypatch.setattr(packing, "__file__", str(there / "packing.py"))
    warm_job.install([sys._base_executable])
    return warm_job


def pass_gate(begun, flag, value=0):
    """Note the beginning, and wait for the file *flag*."""
    note(begun, os.getpid())
    while not os.path.exists(flag):  # noqa: PTH110
        time.sleep(0.002)
    return value


class Gate:
    """Calls that wait until the test opens the gate."""

    def __init__(self, directory: Path) -> None:
        self.begun, self.flag = str(directory / "begun"), str(directory / "flag")

    def call(self, value=0):
        return pass_gate, self.begun, self.flag, value

    def wait(self, count=1) -> list[int]:
        """Wait until so many calls have begun; return the ids of their processes."""
        return until(lambda: self.pids() if len(self.pids()) >= count else None, 30, 0.002)

    def pids(self) -> list[int]:
        return list(map(int, Path(self.begun).read_text().split())) if Path(self.begun).exists() else []

    def open(self) -> None:
        Path(self.flag).touch()


@pytest.fixture
def gate(tmp_path):
    made = Gate(tmp_path)
    yield made
    made.open()


def crash_once(path):
    """Crash, but not the second time."""
    if not os.path.exists(path):  # noqa: PTH110
        Path(path).touch()
        os._exit(9)


# Calls.


def test_calls_one_after_another_are_made_by_one_process(warm_job):
    warm_job.begin()
    pids = {warm_job.make((identify,))[0] for _ in range(20)}
    assert len(pids) == 1
    assert warm_job.leave() == 0


def test_outcomes_are_those_of_other_jobs(warm_job):
    warm_job.begin()
    value, error, crashed = warm_job.make((pow, 2, 5), (fail, "no"), (os._exit, 3))
    assert value == 32
    assert isinstance(error, ValueError)
    assert str(error) == "no"
    assert isinstance(crashed, JobCrashedError)
    assert crashed.exit_status == 3


def test_many_calls_at_once(warm_job):
    """More than a pipe has room for, if one page is all that it gets."""
    warm_job.begin()
    assert warm_job.make(*[(echo, number) for number in range(3000)]) == list(range(3000))


def test_calls_are_made_in_their_order(warm_job, tmp_path):
    warm_job.begin()
    warm_job.make(*[(note, str(tmp_path / "notes"), number) for number in range(200)])
    assert (tmp_path / "notes").read_text().split() == list(map(str, range(200)))


def test_large_arguments_and_values(warm_job):
    warm_job.begin()
    data = [os.urandom(size) for size in (0, 1, 100_000, 5 << 20, 3, 3 << 20)]
    assert warm_job.make(*[(echo, part) for part in data]) == data
    assert warm_job.make((pow, 2, 2)) == [4]


def test_functions_are_sent_once(warm_job):
    warm_job.begin()
    for _ in range(3):
        warm_job.make((echo, 1), (pow, 2, 2), (echo, 2))
    with warm_job.connection.path.with_suffix(".calls").open("rb") as file:
        kinds = [header["kind"] for header, _ in read_frames(file, KEY)]
    assert (kinds.count("function"), kinds.count("call")) == (2, 9)


def test_output_of_each_call(warm_job):
    warm_job.begin()
    keys = warm_job.give((print, "first"), (os.system, "echo second >&2"), (print, "third"))
    warm_job.wait_for(keys)
    assert [warm_job.text("stdout", key) for key in keys] == ["first\n", "", "third\n"]
    assert warm_job.text("stderr", keys[1]) == "second\n"


def test_values_of_other_calls(warm_job):
    """A call takes the values of others wherever these were made; what has no value fails it."""
    warm_job.begin()
    first, second, failed = warm_job.give((pow, 2, 5), (echo, os.urandom(1 << 20)), (fail, "no"))
    warm_job.wait_for([first, second, failed])
    futures = {Future(): key for key in (first, second, failed)}
    one, two, three = futures
    parents = [(key, warm_job.connection.outcomes, warm_job.arrived[key].start) for key in futures.values()]
    added, length, missing = warm_job.make(
        (pow, one, 2), (len, two), (abs, three), key_of=futures.__getitem__, parents=parents
    )
    assert (added, length) == (1024, 1 << 20)
    assert isinstance(missing, DependencyError)


def test_values_that_no_call_followed(warm_job):
    """A client was killed between them and the call: the next call is made all the same."""
    warm_job.begin()
    [key] = warm_job.give((pow, 2, 5))
    warm_job.wait_for([key])
    data = io.BytesIO()
    write_frame(data, KEY, {"kind": "outcome", "session": SESSION, "call": "c000777", "result": "value"}, dumps(1))
    with warm_job.connection.path.with_suffix(".calls").open("ab") as file:
        file.write(data.getvalue())
    warm_job.connect(warm_job.connection.path.name)
    warm_job.arrived.clear()
    assert warm_job.make((pow, 2, 6)) == [64]


def test_files_of_the_sandbox_do_not_grow_forever(warm_job):
    warm_job.begin()
    for number in range(6):
        assert warm_job.make((echo, bytes([number]) * (2 << 20))) == [bytes([number]) * (2 << 20)]
    until(lambda: sum(path.stat().st_size for path in warm_job.path.glob(f"{BUNDLE}.*")) < 5 << 20, 10)


# Faults of the line.


def faults(job, number):
    proxy = job.proxy
    [
        lambda: proxy.refuse(BAD_DESCRIPTOR, 2),
        proxy.new_shadow,
        lambda: proxy.refuse(OFFLINE, 3),
        lambda: proxy.refuse(NO_SPACE, 2, "pwrite"),
        lambda: proxy.refuse(INVALID_REQUEST, 1),
        lambda: proxy.cut_replies(5, 1000),
        lambda: proxy.cut_requests(0, 100_000),
        proxy.close_connections,
        lambda: setattr(proxy, "shortest", 50_000 + number),
        lambda: (proxy.stand_still(), threading.Timer(0.05, proxy.go_on).start()),
    ][number % 10]()


@pytest.mark.parametrize("number", range(10))
def test_one_fault_while_large_outcomes_are_written(warm_job, number):
    warm_job.begin()
    data = [os.urandom(3 << 20), b"small", os.urandom(2 << 20)]
    keys = warm_job.give(*[(echo, part) for part in data])
    until(lambda: warm_job.connection.outcomes.stat().st_size > 1 << 20, 10, 0.0005)
    faults(warm_job, number)
    more = warm_job.give((echo, data[0]), (pow, 2, 2))
    assert warm_job.wait_for(keys) == data
    assert warm_job.wait_for(more) == [data[0], 4]
    assert warm_job.leave() == 0
    assert warm_job.proxy.exits == 0


def test_all_faults_one_after_another(warm_job):
    warm_job.begin()
    keys, data = [], []
    for number in range(20):
        data.append(os.urandom(random.choice([0, 1000, 1 << 20])))
        keys += warm_job.give((echo, data[-1]))
        faults(warm_job, number)
        if number % 2:
            assert warm_job.wait_for(keys) == data
    assert warm_job.wait_for(keys) == data
    assert warm_job.leave() == 0


def test_fault_before_the_first_frame(warm_job):
    """What passes is waited for at the start too."""
    warm_job.proxy.refuse(OFFLINE, 2)
    warm_job.proxy.refuse(NO_SPACE, 2)
    warm_job.begin()
    assert warm_job.make((pow, 2, 2)) == [4]


def test_frames_that_arrive_in_pieces(warm_job):
    warm_job.begin()
    stored, keys = warm_job.store((echo, os.urandom(100_000)), (pow, 2, 5))
    warm_job.connection.hand_out(stored, keys)
    data = warm_job.connection._out.take()
    with warm_job.connection.path.with_suffix(".calls").open("ab", buffering=0) as file:
        for at in range(0, len(data), 3001):
            file.write(data[at : at + 3001])
            time.sleep(0.001)
    assert warm_job.wait_for(keys)[1] == 32


@pytest.mark.parametrize("end", [1, 10, 300, 1 << 20])
def test_another_client_goes_on_after_a_call_that_was_cut(warm_job, end):
    """It cuts off what is not whole, and writes what is smaller."""
    warm_job.begin()
    assert warm_job.make((echo, 1)) == [1]
    stored, keys = warm_job.store((echo, os.urandom(5 << 20)))
    warm_job.connection.hand_out(stored, keys)
    with warm_job.connection.path.with_suffix(".calls").open("ab") as file:
        file.write(warm_job.connection._out.take()[:end])
    time.sleep(0.1)  # the job reads the beginning
    warm_job.connection._position = 0
    warm_job.arrived.clear()
    warm_job.connect(warm_job.connection.path.name)
    assert warm_job.make((echo, 2), (pow, 2, 5)) == [2, 32]


def test_job_waits_with_its_calls_while_the_line_does_not_work(warm_job):
    """It makes the calls that it has."""
    warm_job.begin()
    assert warm_job.make((echo, 1)) == [1]
    warm_job.proxy.refuse(NO_SPACE, 10**6, "pwrite")
    keys = warm_job.give((echo, 2), (os.getpid,), (time.sleep, 60))
    until(lambda: len(warm_job.brought_so_far()) == 3, 10)
    assert not set(keys) & set(warm_job.arrived)
    warm_job.connection.say(kind="cancel", call=keys.pop())  # the job hears of it
    assert warm_job.connection.send()
    keys += warm_job.give((echo, 3))
    until(lambda: len(warm_job.brought_so_far()) == 4, 10)
    warm_job.proxy._codes.clear()
    assert warm_job.wait_for(keys)[0] == 2


def test_line_that_is_lost_for_good(impatient):
    """The outcomes come back with the job's files."""
    impatient.begin()
    [first] = impatient.give((echo, 1))
    impatient.wait_for([first])
    impatient.proxy.refuse(NO_SPACE, 10**6, "pwrite")
    keys = impatient.give((echo, 2), (os._exit, 7), (time.sleep, 0.2), (bytes, 2 << 20))
    until(lambda: len(impatient.brought_so_far()) >= 3, 10)
    impatient.proxy.close()
    assert impatient.process.wait(30) == 0
    brought = impatient.brought()
    assert [brought[key] for key in (keys[0], keys[2], keys[3])] == [2, None, bytes(2 << 20)]
    assert brought[keys[1]].exit_status == 7


def test_no_chirp_at_all(warm_job):
    """The job says so by its status, at once."""
    warm_job.proxy.config = ""
    assert warm_job.begin(met=False).wait(30) == NO_LINE == 5
    assert "cannot connect to its Chirp proxy" in warm_job.stderr
    assert warm_job.outcomes_file.read_bytes() == b""


def test_a_site_that_forbids_input_and_output_by_chirp(warm_job):
    warm_job.proxy.refuse(INVALID_REQUEST, 10**6, "(?!cookie)")
    assert warm_job.begin(met=False).wait(30) == NO_LINE


# Processes that die.


@pytest.mark.parametrize(
    ("crash", "number", "status"),
    [
        ((os._exit, 0), None, 0),
        ((os._exit, 3), None, 3),
        ((kill_itself, signal.SIGKILL), signal.SIGKILL, None),
        ((kill_itself, signal.SIGTERM), signal.SIGTERM, None),
        ((kill_the_group, signal.SIGKILL), signal.SIGKILL, None),
        ((read_null,), signal.SIGSEGV, None),
    ],
    ids=["exit 0", "exit 3", "SIGKILL", "SIGTERM", "its group", "segmentation fault"],
)
def test_a_crash_costs_one_call(warm_job, tmp_path, crash, number, status):
    """Those behind it are made by a new process, once."""
    warm_job.begin()
    notes = str(tmp_path / "notes")
    results = warm_job.make(
        (note, notes, 1, 1), (note_and, notes, 2, *crash), *[(note, notes, n, n) for n in range(3, 50)]
    )
    assert results[:1] + results[2:] == [1, *range(3, 50)]
    assert (results[1].signal, results[1].exit_status) == (number, status)
    assert (tmp_path / "notes").read_text().split() == list(map(str, range(1, 50)))
    assert warm_job.make((pow, 2, 2)) == [4]


def test_every_call_may_crash(warm_job):
    warm_job.begin()
    assert [error.exit_status for error in warm_job.make(*[(os._exit, n) for n in range(10)])] == list(range(10))


def test_call_that_is_killed_while_its_outcome_is_written(warm_job):
    """A part of an outcome does not hide those after it."""
    warm_job.begin()
    [pid] = warm_job.make((identify,))
    keys = []
    for _ in range(5):
        before = warm_job.connection.outcomes.stat().st_size
        keys += warm_job.give((echo, b"x" * (8 << 20)), (identify,))
        until(lambda before=before: warm_job.connection.outcomes.stat().st_size > before, 10, 0.0005)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        pid = warm_job.wait_for(keys)[-1]
        if isinstance(pid, JobCrashedError):
            [pid] = warm_job.make((identify,))
    for result in warm_job.wait_for(keys)[::2]:
        assert result == b"x" * (8 << 20) or result.signal == signal.SIGKILL


def test_process_that_dies_between_calls_costs_none(warm_job):
    warm_job.begin()
    for _ in range(5):
        [pid] = warm_job.make((identify,))
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: not psutil.pid_exists(pid), 10)
    assert warm_job.make((pow, 2, 2)) == [4]


def test_initializer_runs_once_in_each_process(warm_job, tmp_path):
    warm_job.begin(initializer=(note, str(tmp_path / "notes"), "init"))
    warm_job.make((echo, 1), (os._exit, 1), (echo, 2))
    assert (tmp_path / "notes").read_text().split() == ["init"] * 2


def test_initializer_that_raises(warm_job):
    warm_job.begin(initializer=(fail, "not here"))
    for error in warm_job.make((echo, 1), (echo, 2)):
        assert isinstance(error, BrokenCondorExecutor)
        assert "not here" in str(error)


def test_initializer_that_crashes(warm_job):
    """The calls fail; without calls it does not run again and again."""
    warm_job.begin(initializer=(os._exit, 5))
    time.sleep(0.3)
    for error in warm_job.make((echo, 1), (echo, 2)) + warm_job.make((echo, 3)):
        assert (error.exit_status, "in the initializer" in str(error)) == (5, True)
    assert warm_job.leave() == 0


def test_initializer_that_crashes_once(warm_job, tmp_path):
    warm_job.begin(initializer=(crash_once, str(tmp_path / "crashed")))
    until((tmp_path / "crashed").exists, 10)
    time.sleep(0.1)
    assert warm_job.make((echo, 1), (echo, 2)) == [1, 2]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_max_tasks_per_child(warm_job, limit):
    warm_job.begin(max_tasks_per_child=limit)
    pids = warm_job.make(*[(identify,)] * 6) + warm_job.make((identify,))
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [limit] * (6 // limit) + [1]


# Cancelled and recalled calls.


def test_cancel_of_a_running_call_kills_it_and_not_the_job(warm_job, gate):
    warm_job.begin()
    first, *rest = warm_job.give(gate.call(1), (os.system, "true"), (echo, 3))
    [pid] = gate.wait()
    warm_job.say(kind="cancel", call=first)
    assert warm_job.wait_for(rest) == [0, 3]
    assert not psutil.pid_exists(pid)
    assert first not in warm_job.arrived
    assert warm_job.make((pow, 2, 2)) == [4]


def test_cancel_kills_what_the_call_started(warm_job, tmp_path):
    warm_job.begin()
    script = f"sleep 1000 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait"
    [call] = warm_job.give((os.system, script))
    until((tmp_path / "pid").exists, 10)
    warm_job.say(kind="cancel", call=call)
    assert warm_job.make((echo, 1)) == [1]
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 10)


def leave_the_group(then, *args):
    """Go on in the process group of the parent, as a program that handles job control may."""
    os.setpgid(0, os.getpgid(os.getppid()))
    return then(*args)


def test_cancel_of_a_call_that_is_in_another_process_group(warm_job, gate):
    warm_job.begin()
    [call] = warm_job.give((leave_the_group, *gate.call()))
    gate.wait()
    warm_job.say(kind="cancel", call=call)
    assert warm_job.make((echo, 1)) == [1]


def test_cancel_of_a_waiting_call(warm_job, gate):
    warm_job.begin()
    first, second, third = warm_job.give(gate.call(1), (note, str(warm_job.path / "notes"), "second"), (echo, 3))
    gate.wait()
    warm_job.say(kind="cancel", call=second)
    assert warm_job.recall(10) == [third]
    gate.open()
    assert warm_job.wait_for([first]) == [1]
    assert warm_job.leave() == 0
    assert list(warm_job.arrived) == [first]
    assert not (warm_job.path / "notes").exists()


def test_cancel_of_a_call_that_has_ended_or_is_unknown(warm_job):
    warm_job.begin()
    [pid] = warm_job.make((identify,))
    for call in [*warm_job.arrived, "c999999"]:
        warm_job.say(kind="cancel", call=call)
    assert warm_job.make((identify,)) == [pid]


def test_cancel_of_calls_that_end_at_that_moment(warm_job):
    """No other call is killed, made twice or lost."""
    warm_job.begin()
    kept = []
    for number in range(150):
        keys = warm_job.give((time.sleep, 0.001), (echo, number), (time.sleep, 0.0005), (echo, -number))
        time.sleep(random.random() * 0.004)
        for key in keys[0], keys[2]:
            warm_job.say(kind="cancel", call=key)
        kept += keys[1::2]
    assert warm_job.wait_for(kept) == [value for number in range(150) for value in (number, -number)]
    assert not any(outcome.result == "crashed" for outcome in warm_job.arrived.values())
    assert warm_job.leave() == 0


def test_recall_of_some(warm_job, gate):
    """The last ones come back; the others are made, in their order."""
    warm_job.begin()
    keys = warm_job.give(gate.call(0), *[(note, str(warm_job.path / "notes"), n, n) for n in range(1, 10)])
    gate.wait()
    assert warm_job.recall(4) == keys[6:]
    gate.open()
    assert warm_job.wait_for(keys[:6]) == list(range(6))
    assert (warm_job.path / "notes").read_text().split() == list("12345")
    assert warm_job.leave() == 0
    assert not set(keys[6:]) & set(warm_job.arrived)


def test_recall_of_more_than_there_are(warm_job, gate):
    warm_job.begin()
    keys = warm_job.give(gate.call(0), (echo, 1), (echo, 2))
    gate.wait()
    assert warm_job.recall(100) == keys[1:]
    gate.open()
    assert warm_job.wait_for(keys[:1]) == [0]


def test_recall_of_none(warm_job):
    """The client gives the job no more calls before it has a reply."""
    warm_job.begin()
    warm_job.make((echo, 1))
    assert warm_job.recall(1) == []
    assert warm_job.make((echo, 2)) == [2]


def test_recalled_calls_can_be_given_again(warm_job, gate):
    warm_job.begin()
    first, *rest = warm_job.give(gate.call(0), (echo, 1))
    gate.wait()
    stored, [again] = warm_job.store((echo, 2))
    for _ in range(3):
        warm_job.connection.hand_out(stored, [again])
        warm_job.connection.send()
        assert warm_job.recall(1) == [again]
    warm_job.connection.hand_out(stored, [again])
    warm_job.connection.send()
    gate.open()
    assert warm_job.wait_for([first, *rest, again]) == [0, 1, 2]


def test_recalls_at_any_moment_lose_no_call(warm_job):
    warm_job.begin()
    given, back = set(), []
    for _ in range(60):
        given.update(warm_job.give(*[(echo, 0)] * 5))
        warm_job.say(kind="recall", calls=random.randrange(1, 6))
    for _ in range(60):
        back += warm_job.wait_for_frame("returned")["calls"]
    assert len(back) == len(set(back))
    warm_job.wait_for(given - set(back))
    assert warm_job.leave() == 0
    assert set(warm_job.arrived) == given - set(back)


# The end of a job.


def test_leave(warm_job):
    """The calls that the job has are made; those that come later are returned."""
    warm_job.begin()
    keys = warm_job.give((time.sleep, 0.1), (echo, 1))
    warm_job.say(kind="leave")
    late = warm_job.give((echo, 2))
    assert warm_job.process.wait(30) == 0
    assert warm_job.wait_for(keys) == [None, 1]
    assert warm_job.wait_for_frame("returned") == {
        "kind": "returned",
        "calls": late,
        "leaving": True,
        "session": SESSION,
        "segments": [],
    }
    warm_job.wait_for_frame("left")


def test_idle_job_leaves(warm_job):
    warm_job.begin(warm=0.3)
    assert warm_job.make((time.sleep, 0.5), (echo, 1)) == [None, 1]
    assert warm_job.process.wait(30) == 0
    warm_job.read()
    assert [frame["kind"] for frame in warm_job.frames] == ["hello", "returned", "left"]
    assert warm_job.frames[1]["leaving"] is True


def test_job_leaves_at_the_end_of_its_lifetime(warm_job, gate):
    """It ends the running call, and returns the others."""
    warm_job.begin(lifetime=0.5)
    first, *rest = warm_job.give(gate.call(0), (echo, 1), (echo, 2))
    gate.wait()
    returned = warm_job.wait_for_frame("returned")
    assert (returned["calls"], returned["leaving"]) == (rest, True)
    late = warm_job.give((echo, 3))
    assert warm_job.wait_for_frame("returned")["calls"] == late
    gate.open()
    assert warm_job.process.wait(30) == 0
    assert warm_job.wait_for([first]) == [0]


def start_a_thread(path):
    """Leave a thread behind that writes a file when the call has ended."""

    def work():
        time.sleep(0.3)
        Path(path).touch()

    threading.Thread(target=work).start()


def test_threads_of_the_calls_end_before_the_job(warm_job, tmp_path):
    """As those of a worker process do."""
    warm_job.begin()
    warm_job.make((start_a_thread, str(tmp_path / "written")))
    assert warm_job.leave() == 0
    assert (tmp_path / "written").exists()


def test_sigterm_while_a_call_runs(warm_job, gate):
    """An eviction: the running call has no outcome, nor have those behind it; earlier ones have."""
    warm_job.begin()
    done, *_ = warm_job.give((echo, 1), gate.call(2), (echo, 3))
    [pid] = gate.wait()
    warm_job.process.terminate()
    assert warm_job.process.wait(30) == -signal.SIGTERM
    assert not psutil.pid_exists(pid)
    assert warm_job.wait_for([done]) == [1]
    assert list(warm_job.arrived) == [done]


def count_and_exit(path, number):
    """Install a handler that writes a line and exits; begin; wait."""

    def save(number, frame):
        with Path(path).open("a") as file:
            file.write(f"{number}\n")
        time.sleep(0.3)  # a second signal would come meanwhile
        sys.exit(1)

    signal.signal(number, save)
    Path(path).write_text("")
    time.sleep(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT], ids=lambda number: number.name)
def test_handler_of_a_call_saves_its_work(warm_job, tmp_path, number):
    """The handler runs once. The call has no outcome, and other jobs make it."""
    warm_job.begin()
    done, *_ = warm_job.give((echo, 1), (count_and_exit, str(tmp_path / "saved"), number), (echo, 3))
    until((tmp_path / "saved").exists)
    warm_job.process.send_signal(number)
    assert warm_job.process.wait(30) == -number
    assert (tmp_path / "saved").read_text() == f"{int(number)}\n"
    warm_job.read()
    assert list(warm_job.arrived) == [done]


def ignore(number):
    """Leave a handler behind, as a library may do."""
    signal.signal(number, lambda *_: None)


def test_handler_that_an_earlier_call_left_does_not_delay_the_end(warm_job):
    """The process waits for a call, and its handler does nothing."""
    warm_job.begin()
    warm_job.make((ignore, signal.SIGUSR1))
    warm_job.process.send_signal(signal.SIGUSR1)
    assert warm_job.process.wait(30) == -signal.SIGUSR1


def test_sigterm_while_no_call_runs(warm_job):
    warm_job.begin()
    warm_job.make((echo, 1))
    warm_job.process.terminate()
    assert warm_job.process.wait(30) == -signal.SIGTERM


@pytest.mark.parametrize("number", range(6))
def test_sigterm_at_any_moment(warm_job, number):
    """Also while a process is started, or killed because its call is cancelled: no call fails."""
    warm_job.begin(max_tasks_per_child=1)
    keys = warm_job.give(*[(echo, n) for n in range(200)])
    for key in keys[::7]:
        warm_job.say(kind="cancel", call=key)
    time.sleep(random.random() * 0.2)
    warm_job.process.terminate()
    assert warm_job.process.wait(30) == -signal.SIGTERM
    warm_job.read()
    assert {outcome.result for outcome in warm_job.arrived.values()} <= {"value"}


def test_sigterm_while_the_shadow_stands_still(impatient, gate):
    """The job does not wait for it until HTCondor kills the job."""
    impatient.begin()
    impatient.give(gate.call(1))
    gate.wait()
    impatient.proxy.stand_still()
    time.sleep(0.3)
    impatient.process.terminate()
    assert impatient.process.wait(30) == -signal.SIGTERM


def test_next_attempt_in_the_same_directory(warm_job, gate, monkeypatch):
    """Files of the earlier attempt do no harm; what it could not write to the access point counts."""
    warm_job.begin()
    warm_job.give((echo, 1), gate.call(2))
    gate.wait()
    warm_job.process.terminate()
    warm_job.process.wait(30)
    shutil.copy(warm_job.path / f"{BUNDLE}.calls", warm_job.path / f"{BUNDLE}.functions")
    (warm_job.path / f"{BUNDLE}.queue").write_bytes(b"what an earlier attempt left")
    monkeypatch.chdir(warm_job.path)
    bundle = Bundle(BUNDLE)
    bundle.report("c000900", "value", dumps("kept"), started=0.0, ended=1.0, stdout=[0, 5], stderr=[0, 5])
    with warm_job.outcomes_file.open("ab") as file:
        file.write(b"CFf1 torn")
    warm_job.arrived.clear()
    warm_job.begin()
    assert warm_job.wait_for(["c000900"]) == ["kept"]
    assert warm_job.make((echo, 3), (pow, 2, 5)) == [3, 32]
    assert warm_job.leave() == 0


def test_wrong_python(warm_job, monkeypatch):
    """Each call is refused, and the job stays until it is told to leave."""
    monkeypatch.setattr(calls_file, "PythonVersion", "3.99")
    monkeypatch.setenv("PATH", str(warm_job.path))
    warm_job.install([sys._base_executable])
    warm_job.begin()
    for error in warm_job.make((echo, 1), (echo, 2)) + warm_job.make((echo, 3)):
        assert isinstance(error, PythonMismatchError)
    assert warm_job.leave() == 0


def test_nothing_is_left_but_what_is_needed(warm_job):
    """HTCondor transfers what a job that lists no files leaves."""
    warm_job.begin()
    warm_job.make((echo, 1))
    warm_job.leave()
    assert warm_job.outcomes_file.read_bytes() == b""
