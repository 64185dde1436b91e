"""The runner as a job has it: the packed file, in a directory of its own, started with the key of a bundle.

Nothing is faked but the job: calls are written by the client's own code, and outcomes are read by it.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import enum
import errno
import importlib
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import cloudpickle
import pytest
from support import small_disk

from condor_futures.calls import calls_file, pickling
from condor_futures.calls.calls_file import Call, Manner, append_value, copy_outcome, write_bundle
from condor_futures.calls.outcomes_file import read_outcomes
from condor_futures.calls.pickling import pickle_object
from condor_futures.errors import (
    BrokenCondorExecutor,
    DependencyError,
    JobCrashedError,
    OutcomeError,
    PythonMismatchError,
    RemoteExceptionError,
    RemoteTraceback,
)
from condor_futures.execution_point import runner
from condor_futures.execution_point.packing import pack_runner
from condor_futures.resolving.failures import value_or_error

SESSION, SECRET, BUNDLE = "20260101-000000-0a1b2c3d", bytes(range(32)), "b000000"
SOURCE = Path(runner.__file__)
#: The execution point's: outside a virtual environment, it has neither our package nor cloudpickle.
PYTHON = sys._base_executable

pytestmark = pytest.mark.usefixtures("by_value")


@pytest.fixture(scope="module")
def by_value():
    """The functions below are as those of a user's script: the execution point cannot import them."""
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    yield
    cloudpickle.unregister_pickle_by_value(module)


class Sandbox:
    """A job's scratch directory, with one bundle in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes_file = path / f"{BUNDLE}.outcomes"
        self.install([PYTHON])

    def install(self, pythons) -> None:
        (self.path / "runner").write_bytes(pack_runner(pythons))
        (self.path / "runner").chmod(0o700)

    def write(
        self, *calls, key_of=pickling._refuse_future, initializer=None, pickled_initializer=None, **options
    ) -> None:
        """Write a bundle of calls, each ``(function, *args)``, with the keys c000000, c000001 ..."""
        functions = {fn: pickle_object(fn, "function") for fn, *_ in calls}
        made = [
            Call(f"c{number:06d}", functions[fn], pickle_object((tuple(args), {}), "(args, kwargs)", key_of))
            for number, (fn, *args) in enumerate(calls)
        ]
        if initializer is not None:
            fn, *args = initializer
            pickled_initializer = pickle_object((fn, tuple(args)), "(initializer, initargs)")
        with (self.path / f"{BUNDLE}.calls").open("wb") as file:
            manner = Manner(initializer=pickled_initializer, **options)
            write_bundle(file, made, session=SESSION, bundle=BUNDLE, secret=SECRET, manner=manner)

    def start(self, **environment: str) -> subprocess.Popen:
        """Start it as the starter does, with files for its standard output and error."""
        with (self.path / "stdout").open("wb") as out, (self.path / "stderr").open("wb") as err:
            return subprocess.Popen(
                ["./runner", BUNDLE],
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **environment},
            )

    def run(self, *calls, timeout: float = 60.0, **options) -> list:
        """Write a bundle, run it to its end, and give each call's value or error."""
        self.write(*calls, **options)
        self.finish(timeout)
        return self.results()

    def finish(self, timeout: float = 60.0, **environment: str) -> int:
        with self.start(**environment) as process:
            try:
                self.status = process.wait(timeout)
            finally:
                process.kill()
        return self.status

    def outcomes(self):
        outcomes, trouble = read_outcomes(self.outcomes_file, session=SESSION, secret=SECRET)
        assert trouble is None
        return outcomes

    def results(self) -> list:
        """Value or error of each call, in the order of the calls."""
        unpickled = [value_or_error(outcome, "7.0") for _, outcome in sorted(self.outcomes().items())]
        return [value if error is None else error for value, error in unpickled]

    @property
    def stdout(self) -> str:
        return (self.path / "stdout").read_text()

    @property
    def stderr(self) -> str:
        return (self.path / "stderr").read_text()

    def stream(self, name: str, call: str) -> str:
        """What the call wrote, by the range that its outcome gives."""
        start, end = self.outcomes()[call].header[name]
        return (self.path / name).read_bytes()[start:end].decode()


@pytest.fixture
def job(tmp_path):
    return Sandbox(tmp_path)


# What the calls do.


def note(path, word, value=None):
    """Leave a trace of having been called."""
    with Path(path).open("a") as file:
        file.write(f"{word}\n")
    return value


def note_and(path, word, then, *args):
    note(path, word)
    return then(*args)


def kill_itself(number):
    os.kill(os.getpid(), number)


def kill_the_group(number):
    """As ``kill 0`` in a script does."""
    os.killpg(0, number)


def read_null():
    ctypes.string_at(0)


def fail(message):
    raise ValueError(message)


def traces(job) -> list[str]:
    return (job.path / "traces").read_text().split()


def noted(word, *then):
    """A call that leaves a trace, and then does something, if only nothing."""
    return (note_and, "traces", word, *then) if then else (note, "traces", word)


# Values and exceptions.


def test_values_come_back(job):
    """One outcome per call, in a job that ends well."""
    assert job.run((pow, 2, 10), (len, "abc"), (dict, [("a", 1)])) == [1024, 3, {"a": 1}]
    assert job.status == 0
    assert (job.stdout, job.stderr) == ("", "")


def test_bundle_without_calls_ends_well(job):
    assert job.run() == []
    assert job.status == 0


def test_outcome_says_where_and_when(job):
    job.run((pow, 2, 3))
    header = job.outcomes()["c000000"].header
    assert header["host"] == os.uname().nodename
    assert header["started"] <= header["ended"]


def test_exception_comes_back_as_itself_with_its_traceback(job):
    """A call that raises is no failure of the job; where it raised is the cause, without the runner's own frames."""
    [error] = job.run((fail, "no such thing"))
    assert type(error) is ValueError
    assert error.args == ("no such thing",)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert error.__cause__.job_id == "7.0"
    assert error.__cause__.host == os.uname().nodename
    assert "in fail" in error.__cause__.text
    assert "condor_futures_runner" not in error.__cause__.text
    assert job.status == 0


def test_exception_that_fails_in_a_bundle_costs_only_itself(job):
    first, second, third = job.run((pow, 2, 2), (fail, "second"), (pow, 3, 3))
    assert (first, str(second), third) == (4, "second", 27)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        pytest.param(lambda: sys.exit(3), SystemExit, id="SystemExit"),
        pytest.param(lambda: exec("raise KeyboardInterrupt"), KeyboardInterrupt, id="KeyboardInterrupt"),
        pytest.param(lambda: exec("raise GeneratorExit"), GeneratorExit, id="GeneratorExit"),
        pytest.param(lambda: exec("def f(): f()\nf()", {}), RecursionError, id="RecursionError"),
        pytest.param(lambda: exec("("), SyntaxError, id="SyntaxError"),
    ],
)
def test_exception_that_would_end_a_process_is_an_outcome(job, function, kind):
    """Whatever a call raises belongs to its caller; the calls after it are made."""
    error, value = job.run((function,), (pow, 2, 2))
    assert type(error) is kind
    assert value == 4


def test_value_that_cannot_be_pickled_is_an_error_of_its_call(job):
    error, value = job.run((threading.Lock,), (pow, 2, 2))
    assert isinstance(error, TypeError)
    assert "cannot pickle" in str(error)
    assert value == 4


def test_value_that_is_nested_too_deeply_is_an_error_of_its_call(job):
    def nest():
        value = []
        for _ in range(100_000):
            value = [value]
        return value

    error, value = job.run((nest,), (pow, 2, 2))
    assert isinstance(error, pickle.PicklingError)
    assert "recursion" in str(error)
    assert value == 4


class CannotBeUnpickled:
    def __reduce__(self):
        return int, ("not a number",)


def test_value_that_cannot_be_unpickled_is_an_error_of_its_call(job):
    """It came back from the execution point, so only the client can notice."""
    error, value = job.run((CannotBeUnpickled,), (pow, 2, 2))
    assert isinstance(error, OutcomeError)
    assert isinstance(error.__cause__, ValueError)
    assert "7.0" in str(error)
    assert value == 4


class NoTextError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def test_exception_whose_text_cannot_be_had(job):
    def raise_it():
        raise NoTextError

    [error] = job.run((raise_it,))
    assert type(error).__name__ == "NoTextError"
    assert "raise_it" in error.__cause__.text


class TwoArgumentsError(Exception):
    """Can be pickled, but not unpickled: Exception keeps only what it was given."""

    def __init__(self, first, second):
        super().__init__(first)


class WithLockError(Exception):
    def __init__(self, message):
        super().__init__(message)
        self.lock = threading.Lock()


class BadReduceError(Exception):
    def __reduce__(self):
        raise RuntimeError("no pickle")


class WorseReduceError(Exception):
    def __reduce__(self):
        sys.exit(1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(
            lambda: TwoArgumentsError("the message", 2), "pass all its arguments to super().__init__()", id="unpickling"
        ),
        pytest.param(lambda: WithLockError("the message"), "(TypeError: cannot pickle '_thread.lock'", id="pickling"),
        pytest.param(lambda: BadReduceError("the message"), "(RuntimeError: no pickle)", id="__reduce__ raises"),
        pytest.param(lambda: WorseReduceError("the message"), "(SystemExit: 1)", id="__reduce__ exits"),
    ],
)
def test_exception_that_cannot_be_pickled_keeps_its_text_and_traceback(job, make, why):
    """It is an error of its own kind, with the class's name, and says why."""

    def raise_it():
        raise make()

    error, value = job.run((raise_it,), (pow, 2, 2))
    assert type(error) is RemoteExceptionError
    assert str(error).endswith("): the message")
    assert why in str(error)
    assert error.type_name.endswith(f".{type(make()).__name__}")
    assert "raise_it" in error.__cause__.text
    assert value == 4


def test_chain_of_causes_is_in_the_traceback(job):
    def raise_it():
        try:
            fail("first")
        except ValueError as error:
            raise KeyError("second") from error

    [error] = job.run((raise_it,))
    assert isinstance(error, KeyError)
    assert "direct cause" in error.__cause__.text
    assert "ValueError: first" in error.__cause__.text


def test_function_that_cannot_be_unpickled_is_an_error_of_its_call(job):
    """A module that the execution point lacks, above all; its name is in the error."""
    module = type(sys)("of_the_client")
    exec("def function(): pass", module.__dict__)
    sys.modules["of_the_client"] = module
    try:
        job.write((module.function,), (pow, 2, 2))
    finally:
        del sys.modules["of_the_client"]
    job.finish()
    error, value = job.results()
    assert isinstance(error, ModuleNotFoundError)
    assert "of_the_client" in str(error)
    assert value == 4


class Buffer:
    """Large data that pickles out of band, as a numpy array does."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Buffer, (pickle.PickleBuffer(self.data),)


def test_large_buffer_travels_out_of_band(job):
    """Both ways it is a segment of its own, not part of the pickle."""
    data = bytearray(os.urandom(1 << 20))
    [value] = job.run((lambda buffer: Buffer(bytearray(buffer.data[::-1])), Buffer(data)))
    assert bytes(value.data) == bytes(data[::-1])
    pickled, *buffers = job.outcomes()["c000000"].segments
    assert len(pickled) < 10_000
    assert [len(buffer) for buffer in buffers] == [len(data)]
    with (job.path / f"{BUNDLE}.calls").open("rb") as file:
        [segments] = [segments for header, segments in runner.read_frames(file) if header["kind"] == "call"]
    assert [len(segment) for segment in segments[1:]] == [len(data)]


def test_numpy_array_travels_out_of_band(job):
    numpy = pytest.importorskip("numpy")
    job.install([sys.executable])
    array = numpy.arange(1 << 17, dtype="f8").reshape(1 << 7, -1)
    [value] = job.run((lambda array: array * 2, array))
    assert (value == array * 2).all()
    pickled, *buffers = job.outcomes()["c000000"].segments
    assert len(pickled) < 10_000
    assert [len(buffer) for buffer in buffers] == [array.nbytes]


def test_arrays_are_as_writable_as_they_were(job):
    """A call may change in place what it is given, and the client what it gets; what was read-only stays so."""
    numpy = pytest.importorskip("numpy")
    job.install([sys.executable])
    fixed = numpy.zeros(3)
    fixed.flags.writeable = False

    def add_one(array, fixed):
        array += 1
        return array, fixed.flags.writeable

    [(value, writeable)] = job.run((add_one, numpy.arange(3.0), fixed))
    value += 1
    assert (list(value), writeable) == ([2, 3, 4], False)


@pytest.fixture
def parent(tmp_path):
    """The outcomes of another job: call c000100 gave 1024."""
    path = tmp_path / "parent.outcomes"
    header = {"kind": "outcome", "session": SESSION, "call": "c000100", "result": "value", "host": "ep1"}
    with path.open("wb") as file:
        runner.write_frame(file, SECRET, header, runner.dumps(1024))
    return path


def test_future_among_the_arguments_is_the_value_of_its_call(job, parent):
    """The parents' outcomes come with the calls; they are unpickled where they stand, at any depth."""
    futures = {Future(): "c000100", Future(): "x000001"}
    one, other = futures
    job.write(
        (lambda structure, more: structure["sum"][0] + more, {"sum": [one]}, other),
        (pow, one, 2),
        key_of=futures.__getitem__,
    )
    with (job.path / f"{BUNDLE}.calls").open("ab") as file:
        copy_outcome(file, "c000100", parent)
        append_value(file, "x000001", 1, session=SESSION, secret=SECRET)
        append_value(file, "c000100", "another outcome", session=SESSION, secret=SECRET)  # the first counts
    job.finish()
    assert job.results() == [1025, 1024**2]


def test_call_whose_parent_has_no_value_depends_on_it(job, parent):
    """It failed, or has no outcome here; the other calls of the job are made."""
    futures = {Future(): "c000100", Future(): "c000200", Future(): "c000300"}
    job.write(*((abs, future) for future in futures), (pow, 2, 2), key_of=futures.__getitem__)
    with (job.path / f"{BUNDLE}.calls").open("ab") as file:
        copy_outcome(file, "c000100", parent)
        header = {"kind": "outcome", "session": SESSION, "call": "c000200", "result": "crashed"}
        runner.write_frame(file, SECRET, header)
    assert job.finish() == 0
    value, *errors, last = job.results()
    assert (value, last) == (1024, 4)
    assert [type(error) for error in errors] == [DependencyError] * 2
    for error, key in zip(errors, ("c000200", "c000300"), strict=True):
        assert f"the value of the call {key}, which this call takes" in str(error)


def run_with_an_altered_parent(job, parent):
    job.write((abs, Future()), (pow, 2, 2), key_of=lambda future: "c000100")
    with (job.path / f"{BUNDLE}.calls").open("ab") as file:
        file.write(parent.read_bytes()[:-1] + b"x")
    job.finish()
    return job.results()


def test_outcome_of_a_parent_that_was_altered_is_refused(job, parent):
    """Its tag is checked before it is unpickled, here as well; the call fails, and the next one does not."""
    error, value = run_with_an_altered_parent(job, parent)
    assert isinstance(error, Exception)
    assert value == 4


def test_error_about_an_altered_parent_says_so(job, parent):
    error, _ = run_with_an_altered_parent(job, parent)
    assert "altered" in str(error)


# Calls that kill their Python.


def test_call_that_leaves_with_status_zero_is_a_crash(job):
    """os._exit(0) is no return: there is no value, and nobody is to wait for one."""
    [error] = job.run((os._exit, 0))
    assert isinstance(error, JobCrashedError)
    assert (error.exit_status, error.signal) == (0, None)
    assert job.status == runner.CRASHED


def test_call_that_leaves_with_a_status(job):
    [error] = job.run((os._exit, 77))
    assert isinstance(error, JobCrashedError)
    assert (error.exit_status, error.signal, error.job_id) == (77, None, "7.0")
    assert "77" in str(error)
    assert job.status == runner.CRASHED


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGTERM], ids=lambda number: number.name)
def test_call_that_is_killed(job, number):
    """The signal is known, and the job ends normally with all its files."""
    [error] = job.run((kill_itself, number))
    assert isinstance(error, JobCrashedError)
    assert (error.exit_status, error.signal) == (None, number)
    assert number.name in str(error)
    assert job.status == runner.CRASHED


def test_segmentation_fault_leaves_the_python_stack(job):
    [error] = job.run((read_null,))
    assert error.signal == signal.SIGSEGV
    assert "Segmentation fault" in job.stderr
    assert "in read_null" in job.stderr


@pytest.mark.parametrize(
    "crash",
    [
        pytest.param((kill_itself, signal.SIGKILL), id="SIGKILL"),
        pytest.param((kill_the_group, signal.SIGKILL), id="SIGKILL to the process group"),
        pytest.param((kill_the_group, signal.SIGTERM), id="SIGTERM to the process group"),
        pytest.param((os._exit, 0), id="os._exit(0)"),
        pytest.param((os._exit, 3), id="os._exit(3)"),
        pytest.param((read_null,), id="segmentation fault"),
    ],
)
def test_crash_in_a_bundle_costs_one_call(job, crash):
    """The calls before and after it have their values, and every call was made exactly once."""
    results = job.run(noted("a"), noted("b"), noted("c", *crash), noted("d"), noted("e"))
    assert [isinstance(result, JobCrashedError) for result in results] == [False, False, True, False, False]
    assert traces(job) == ["a", "b", "c", "d", "e"]
    assert job.status == runner.CRASHED


def test_every_call_may_crash(job):
    results = job.run(*[noted(word, os._exit, number) for number, word in enumerate("abc")])
    assert [result.exit_status for result in results] == [0, 1, 2]
    assert traces(job) == ["a", "b", "c"]


def test_outcome_that_cannot_be_written_is_an_error_of_its_call(job):
    """As on a full disk: what was written of it is taken back, and what is shorter can be written."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        return bytes(1_000_000)

    before, error, after = job.run((pow, 2, 2), (limited,), (pow, 3, 3))
    assert (before, after) == (4, 27)
    assert isinstance(error, OSError)
    assert "File too large (where the job ran" in str(error)


@pytest.mark.parametrize("room", [100, 1000, 4500, 5100])
def test_short_outcome_that_cannot_be_written_costs_no_other_call(job, room):
    """Nothing of it stands in the file before the next one, and each call is made once."""

    def limited():
        note("traces", "limited")
        end = Path("b000000.outcomes").stat().st_size + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (end, resource.RLIM_INFINITY))
        return bytes(5000)

    def unlimited():
        note("traces", "unlimited")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return 27

    before, error, after = job.run((pow, 2, 2), (limited,), (unlimited,))
    assert (before, after) == (4, 27)
    assert isinstance(error, JobCrashedError) or "File too large" in str(error)
    assert traces(job) == ["limited", "unlimited"]


@pytest.fixture(name="small_disk")
def fixture_small_disk(tmp_path):
    """A file system of 1 MiB, where jobs may run."""
    with small_disk(tmp_path / "small", mebibytes=1) as place:
        yield place


def fill(disk):
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_job_that_starts_on_a_full_disk_waits_for_room(small_disk):
    """It is not the job's own doing, and may pass."""
    job = Sandbox(small_disk)
    job.write((len, "abc"), (len, "abcd"))
    fill(small_disk)
    with job.start() as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        (small_disk / "filler").unlink()
        assert process.wait(60) == 0
    assert job.results() == [3, 4]


def test_values_that_find_no_room_are_not_waited_for_without_end(small_disk):
    """Each for a while, all together for a while; what is short passes behind them."""

    def hurry():
        import condor_futures_runner

        condor_futures_runner.ROOM_PATIENCE = 1.0
        condor_futures_runner._bundle.patience = 2.0

    def patience():
        import condor_futures_runner

        return condor_futures_runner._bundle.patience

    job = Sandbox(small_disk)
    hurried, value, *errors, left = job.run((hurry,), *[(os.urandom, 500_000)] * 4, (patience,))
    assert (hurried, len(value), left) == (None, 500_000, 0.0)
    assert [error.errno for error in errors] == [errno.ENOSPC] * 3


def test_error_that_cannot_be_written_either_is_a_crash_of_its_call(job):
    """Where there is no room at all, the standard error says so."""

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
        return bytes(1_000_000)

    before, error, after = job.run((pow, 2, 2), (limited,), (pow, 3, 3))
    assert (before, after) == (4, 27)
    assert isinstance(error, JobCrashedError)


def test_crash_while_the_outcome_is_written_costs_one_call(job):
    """Half an outcome at the end of the file does not hide those that come after it."""

    def limited():
        note("traces", "limited")
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        return bytes(1_000_000)

    before, error, after = job.run((pow, 2, 2), (limited,), (pow, 3, 3), timeout=5.0)
    assert (before, after) == (4, 27)
    assert error.signal == signal.SIGXFSZ
    assert traces(job) == ["limited"]


@pytest.mark.parametrize(
    "mischief",
    [
        "sys.stdout.close()",
        "sys.stdout = None",
        "os.close(1)",
        "os.close(0)",
        "os.chdir('/')",
        "os.environ.clear()",
        "sys.modules.clear()",
        "sys.path.clear()",
        "os.umask(0o777)",
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "sys.setrecursionlimit(60)",
        "builtins.print = None",
    ],
)
def test_mischief_of_a_call_does_not_touch_the_outcomes(job, mischief):
    """What one call does to its process may spoil the next call, but not the bookkeeping."""
    code = compile(f"import builtins, os, signal, sys; {mischief}", "<mischief>", "exec")
    results = job.run((exec, code, {}), (pow, 2, 2))
    assert len(results) == 2
    assert results[0] is None


# Initializers and fresh processes.


def test_initializer_runs_before_the_calls_and_once(job):
    results = job.run(
        *[(lambda: os.environ.get("FROM_INITIALIZER"),)] * 3,
        initializer=(lambda: note("traces", "init", os.environ.update(FROM_INITIALIZER="yes")),),
    )
    assert results == ["yes"] * 3
    assert traces(job) == ["init"]


class Counter:
    """A class that travels by value, as those of a script and of a notebook do."""

    made = 0
    registered = []  # noqa: RUF012

    def __init_subclass__(cls) -> None:
        Counter.registered.append(cls.__name__)

    def count(self):
        type(self).made += 1
        return self.made


class Mood(enum.Enum):
    GOOD = 1


def test_what_is_set_on_a_class_stays(job):
    """What the initializer and earlier calls have set on it, though it comes with each call."""

    def begin():
        Counter.made = 10

    def count(counter):
        return counter.count(), Counter.made

    assert job.run(*[(count, Counter())] * 3, initializer=(begin,)) == [(11, 11), (12, 12), (13, 13)]


def test_values_leave_the_classes_of_the_client_alone(job):
    """What comes back is of the class that is here, which stays what it is; nor does it seem to be made again."""

    def make(counter):
        counter.count()
        return counter, Mood.GOOD, type(counter)

    before = dict(vars(Counter))
    Sub = type("Sub", (Counter,), {})  # noqa: N806
    registered = list(Counter.registered)
    (counter, mood, cls), (sub, _, _) = job.run((make, Counter()), (make, Sub()))
    assert (type(counter), cls, type(sub), mood) == (Counter, Counter, Sub, Mood.GOOD)
    assert dict(vars(Counter)) == before
    assert Counter.registered == registered


def test_arguments_go_when_the_call_has_ended(job):
    """And not when garbage is collected; also those of a class that travels."""

    class Noisy:
        def __del__(self):
            print("gone")

    def use(_):
        import gc

        gc.disable()

    job.run((use, Noisy()), (pow, 2, 3))
    assert job.stream("stdout", "c000000") == "gone\n"


def test_class_that_only_the_call_made_comes_back(job):
    """Whole."""

    def make():
        class Point:
            x = 3

            def double(self):
                return 2 * self.x

        return Point(), Point

    ((point, cls),) = job.run((make,))
    assert type(point) is cls
    assert point.double() == 6


def test_initializer_runs_again_in_a_new_process(job):
    """After a crash the rest of the bundle has a fresh process, which is initialized as the first was."""
    results = job.run(
        (os._exit, 1), (os.environ.get, "NUMBER"), initializer=(note_and, "traces", "init", os.putenv, "A", "B")
    )
    assert isinstance(results[0], JobCrashedError)
    assert traces(job) == ["init", "init"]


def test_initializer_that_raises_breaks_the_executor(job):
    """No call is made, and each one's error has what it raised as its cause."""
    results = job.run(noted("call"), noted("call"), initializer=(fail, "no license"))
    assert [type(result) for result in results] == [BrokenCondorExecutor] * 2
    assert "no license" in str(results[0])
    assert isinstance(results[0].__cause__, ValueError)
    assert "in fail" in results[0].__cause__.__cause__.text
    assert not (job.path / "traces").exists()


def test_initializer_that_crashes_fails_all_calls(job):
    """It would crash again, so it is not tried once per call."""
    results = job.run(noted("call"), noted("call"), initializer=noted("init", os._exit, 5))
    assert [(type(result), result.exit_status) for result in results] == [(JobCrashedError, 5)] * 2
    assert "in the initializer" in str(results[0])
    assert traces(job) == ["init"]


@pytest.mark.parametrize(("limit", "processes"), [(1, 6), (2, 3), (4, 2), (None, 1)])
def test_fresh_process_after_so_many_calls(job, limit, processes):
    """max_tasks_per_child is a matter of pids, and no crash."""
    pids = job.run(*[(os.getpid,)] * 6, max_tasks_per_child=limit)
    assert len(set(pids)) == processes
    assert job.status == 0


# Standard output and error.


def test_each_call_has_its_part_of_the_output(job):
    """Whoever writes: print, a C library or a subprocess; what the initializer wrote is nobody's."""

    def write(word):
        print(word)
        sys.stdout.flush()
        os.system(f"echo {word} from a shell")
        print(word, "again", end="")
        print("error of", word, file=sys.stderr)

    job.run((write, "one"), (pow, 2, 2), (write, "three"), initializer=(print, "from the initializer"))
    assert job.stream("stdout", "c000000") == "one\none from a shell\none again"
    assert job.stream("stderr", "c000000") == "error of one\n"
    assert job.stream("stdout", "c000001") == ""
    assert job.stream("stdout", "c000002") == "three\nthree from a shell\nthree again"
    assert job.stream("stderr", "c000002") == "error of three\n"


def test_each_call_has_its_part_of_the_output_after_a_crash(job):
    job.run((os.system, "echo one"), (os._exit, 1), (print, "three"))
    assert job.stream("stdout", "c000000") == "one\n"
    assert job.stream("stdout", "c000002") == "three\n"


def test_output_of_a_call_that_raises_is_its_own(job):
    def write_and_fail():
        print("before")
        fail("after")

    job.run((write_and_fail,), (print, "next"))
    assert job.stream("stdout", "c000000") == "before\n"
    assert job.stream("stdout", "c000001") == "next\n"


def test_what_is_printed_at_exit_is_not_lost(job):
    def register():
        import atexit

        atexit.register(print, "at exit")

    job.run((register,))
    assert job.stdout == "at exit\n"


# Which Python.


@pytest.fixture
def from_the_future(monkeypatch):
    """The client has Python 3.99."""
    monkeypatch.setattr(calls_file, "PythonVersion", "3.99")


HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.usefixtures("from_the_future")
def test_other_python_is_refused(job):
    """No call is made; the error names both versions, the interpreter and the host."""
    job.write(noted("call"), noted("call"))
    assert job.finish(PATH=str(job.path)) == 0
    for error in job.results():
        assert isinstance(error, PythonMismatchError)
        for part in (HERE, "3.99", PYTHON, os.uname().nodename):
            assert part in str(error)
    assert len(job.results()) == 2
    assert not (job.path / "traces").exists()


def fake_python(job, name: str, *lines: str) -> None:
    directory = job.path / "bin"
    directory.mkdir()
    (directory / name).write_text("\n".join(["#!/bin/sh", *lines, ""]))
    (directory / name).chmod(0o755)


@pytest.mark.usefixtures("from_the_future")
def test_python_that_is_not_what_its_name_says_is_tried_once(job):
    """There is a python3.99, and it gets the job; being another Python as well, it reports, and does not search on."""
    fake_python(job, "python3.99", f'echo tried >> "{job.path}/traces"', f'exec "{PYTHON}" "$@"')
    job.write((pow, 2, 2))
    assert job.finish(PATH=f"{job.path}/bin:{os.defpath}") == 0
    [error] = job.results()
    assert isinstance(error, PythonMismatchError)
    assert traces(job) == ["tried"]


def other_pythons() -> list[str]:
    """Interpreters on PATH that are another Python than this one, down to 3.6."""
    found = []
    for minor in range(6, 20):
        path = shutil.which(f"python3.{minor}")
        if path and minor != sys.version_info[1]:
            printed = subprocess.run(
                [path, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
            )
            if printed.returncode == 0:
                found.append(printed.stdout.strip())
    return found


OTHERS = other_pythons() or [pytest.param("", marks=pytest.mark.skip(reason="no other Python on PATH"))]


@pytest.mark.parametrize("other", OTHERS, ids=lambda path: Path(path).name)
def test_python_of_the_client_is_looked_for(job, other):
    """Started by another Python, the runner leaves for the right one, and its environment is as it was."""
    fake_python(job, f"python{HERE}", f'exec "{PYTHON}" "$@"')
    job.install([other])
    job.write((pow, 2, 2), (sorted, [3, 1]), (os.environ.get, "CONDOR_FUTURES_PYTHON"))
    assert job.finish(PATH=f"{job.path}/bin:{os.defpath}") == 0
    assert job.results() == [4, [1, 3], None]


@pytest.mark.parametrize("other", OTHERS, ids=lambda path: Path(path).name)
def test_other_python_can_still_say_so(job, other):
    """However old it is, or new: the mismatch is an outcome, not a SyntaxError on standard error."""
    job.install([other])
    job.write((pow, 2, 2))
    assert job.finish(PATH=str(job.path)) == 0
    [error] = job.results()
    assert isinstance(error, PythonMismatchError)
    assert HERE in str(error)
    assert job.stderr == ""


def test_first_python_that_is_there_is_taken(job):
    job.install(["no-such-python", "/no/such/python", PYTHON])
    assert job.run((pow, 2, 2)) == [4]


def test_no_python_at_all(job):
    """The job ends with status 127, a sentence on standard error, and an outcome file, so that it is not held."""
    job.install(["no-such-python", "/no/such/python"])
    job.write((pow, 2, 2))
    assert job.finish() == 127
    assert job.stderr == "no Python on this execution point: tried no-such-python /no/such/python\n"
    assert job.outcomes_file.read_bytes() == b""
    assert job.outcomes() == {}


def test_calls_are_made_in_the_scratch_directory_if_it_is_another(job):
    """Where a job begins in its spool directory, what its calls leave lying about does not stay there."""
    (job.path / "scratch").mkdir()
    job.write((os.getcwd,), scratch=True)
    job.finish(_CONDOR_SCRATCH_DIR=str(job.path / "scratch"))
    assert job.results() == [str(job.path / "scratch")]


# Attempts, and the end of them.


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_torn_outcome_of_an_earlier_attempt_is_mended(job, keep):
    """Whole outcomes are kept, and their calls are not made again."""
    results = job.run(noted("a"), noted("b"), noted("c"))
    data = job.outcomes_file.read_bytes()
    third = data.rindex(runner.MAGIC)
    job.outcomes_file.write_bytes(data[: third + int((len(data) - third) * keep)])
    job.finish()
    assert job.results() == results
    assert traces(job) == ["a", "b", "c", "c"]


def test_nothing_is_done_again_when_everything_is_there(job):
    job.run(noted("a"), noted("b", fail, "it raises again"))
    first = job.outcomes_file.read_bytes()
    job.finish()
    assert job.outcomes_file.read_bytes() == first
    assert traces(job) == ["a", "b"]


def test_output_of_an_earlier_attempt_is_not_mixed_up_with_that_of_this_one(job):
    """It is overwritten; the calls that are not made again have none any more."""

    def print_and_crash_once():
        print("the second call", flush=True)
        if not Path("crashed").exists():
            note("crashed", "")
            os._exit(1)

    job.run((print, "the first call"), (print_and_crash_once,))
    assert job.finish() == 0
    ranges = [outcome.header["stdout"] for outcome in job.outcomes().values()]
    assert ranges == [[0, 0], [0, len("the second call\n")]]


def test_garbage_of_an_earlier_attempt_is_dropped(job):
    job.outcomes_file.write_bytes(os.urandom(1000))
    assert job.run((pow, 2, 2)) == [4]


def test_crash_of_an_earlier_attempt_is_tried_again(job):
    """What max_retries is for: the values are kept, the crash gets another chance."""

    def crash_once():
        if not Path("crashed").exists():
            note("crashed", "")
            os._exit(1)
        return "now it works"

    first, second = job.run(noted("a"), (crash_once,))
    assert (first, type(second)) == (None, JobCrashedError)
    assert job.finish() == 0
    assert job.results() == [None, "now it works"]
    assert traces(job) == ["a"]


def test_sigterm_ends_the_call_and_the_job(job):
    """So HTCondor evicts; the job runs again elsewhere: what is done is kept, what runs has no outcome."""
    os.mkfifo(job.path / "started")

    def wait():
        Path("started").write_text(str(os.getpid()))
        threading.Event().wait()

    job.write((pow, 2, 2), (wait,), (pow, 3, 3))
    with job.start() as process:
        pid = int((job.path / "started").read_text())
        assert pid != process.pid
        process.terminate()
        assert process.wait() == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert job.results() == [4]


def test_nothing_is_left_in_the_sandbox(job):
    """HTCondor would transfer stray files of a job that names none."""
    job.run((pow, 2, 2), (os._exit, 1))
    assert {path.name for path in job.path.iterdir()} == {
        "runner",
        "stdout",
        "stderr",
        f"{BUNDLE}.calls",
        f"{BUNDLE}.outcomes",
    }


# The file itself.


def test_syntax_is_that_of_python_3_6():
    """An old Python must get as far as saying that it is too old."""
    ast.parse(SOURCE.read_text(), feature_version=(3, 6))


def test_it_imports_only_the_standard_library():
    """And cloudpickle, which travels along; wherever in the file the import stands."""
    imported = set()
    for statement in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(statement, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            assert statement.level == 0
            imported.add(statement.module.partition(".")[0])
    assert imported - sys.stdlib_module_names == {"cloudpickle"}


def test_it_can_be_imported_alone(tmp_path):
    """Without site-packages, without our package, without the environment; it brings little of the library along."""
    shutil.copy(SOURCE, tmp_path / "the_runner.py")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import the_runner;"
        "print(*sorted({'condor_futures', 'cloudpickle', 'typing', 'pathlib', 'subprocess'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_packed_runner_is_whole_wherever_python_finds_it(tmp_path):
    """The runner and the client's cloudpickle are in the file: the execution point needs neither."""
    (tmp_path / "runner").write_bytes(pack_runner(["python3"]))
    code = "import sys; sys.path[:0] = sys.argv[1:]; import condor_futures_runner, cloudpickle;"
    code += "print(cloudpickle.__version__, condor_futures_runner.__file__, cloudpickle.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path / "runner")], capture_output=True, text=True, check=True
    )
    version, *files = done.stdout.split()
    assert version == cloudpickle.__version__
    assert all(file.startswith(str(tmp_path / "runner")) for file in files)


@pytest.fixture
def neighbours(tmp_path, monkeypatch):
    """Makes modules of the user's, which travel by value: by their names, the job does not find them."""

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
    """What is set in a module that travels by value is what its functions see, wherever they come from."""
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
    """Also what they put into what it has, though each call brings the client's."""
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
    """By a call that is pickled later than the initializer, or than another call of the job, unless these set it."""
    (settings,) = neighbours(settings=SETTINGS)
    parts = pickle_object((settings.get, ()), "(initializer, initargs)")
    settings.VALUE, settings.options["a"], settings.handlers["two"] = 5, 5, settings.get
    job.write((settings.get,), (lambda handle: (handle(), settings.VALUE), settings.handle), pickled_initializer=parts)
    job.finish()
    assert job.results() == [(5, 5, 0), (["one", "two"], 5)]


def test_module_that_travels_cannot_be_imported_by_its_name(job, neighbours):
    """An error that says so is better than a part of it."""
    (settings,) = neighbours(settings=SETTINGS)

    def use():
        import settings as by_name

        return settings, by_name

    (error,) = job.run((use,))
    assert type(error) is ModuleNotFoundError


def test_value_of_a_class_of_a_module_that_travels_is_found_by_the_next_call(job, neighbours, tmp_path):
    """Whose job may know nothing of the module yet."""
    (settings,) = neighbours(settings=SETTINGS)

    def make():
        settings.VALUE = 3
        return settings.model, settings.get

    (model, get) = job.run((make,))[0]
    assert type(model) is settings.Model
    assert get()[0] == 3
