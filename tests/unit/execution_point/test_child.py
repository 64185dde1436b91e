"""Values, exceptions, initializers and output: the calls of a job, as reported by the process that runs them."""

from __future__ import annotations

import importlib.machinery
import os
import pickle
import sys
import threading
import time
from concurrent.futures import Future

import pytest
from sandbox import (
    BUNDLE,
    SECRET,
    SESSION,
    fail,
    note,
    noted,
    traces,
)

from condor_futures.calls.calls_file import copy_outcome
from condor_futures.errors import (
    BrokenCondorExecutor,
    DependencyError,
    OutcomeError,
    RemoteExceptionError,
    RemoteTraceback,
)
from condor_futures.execution_point.frames import write_frame

pytestmark = pytest.mark.usefixtures("by_value")


# Values and exceptions.


def test_values_come_back(job):
    """One outcome per call, in a job that ends normally."""
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
    """A call that raises does not fail the job. The cause shows where it raised, without the runner's own frames."""
    [error] = job.run((fail, "no such thing"))
    assert type(error) is ValueError
    assert error.args == ("no such thing",)
    assert isinstance(error.__cause__, RemoteTraceback)
    assert error.__cause__.job_id == "7.0"
    assert error.__cause__.host == os.uname().nodename
    assert "in fail" in error.__cause__.text
    assert "condor_futures_execution_point" not in error.__cause__.text
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
    """Every exception of a call goes to its caller. The calls after it run."""
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
    """The execution point pickled it, so only the client can notice."""
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
    """It can be pickled, but not unpickled: Exception keeps only its own arguments."""

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
    """The error has a class of its own, names the exception's class, and says why."""

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
    """The usual case is a module that the execution point lacks. The error names it."""
    module = type(sys)("of_the_client")
    module.__spec__ = importlib.machinery.ModuleSpec("of_the_client", None)
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


def test_call_whose_parent_has_no_value_depends_on_it(job, parent):
    """The parent failed, or has no outcome here. The other calls of the job run."""
    futures = {Future(): "c000100", Future(): "c000200", Future(): "c000300"}
    job.write(*((abs, future) for future in futures), (pow, 2, 2), key_of=futures.__getitem__)
    with (job.path / f"{BUNDLE}.calls").open("ab") as file:
        copy_outcome(file, "c000100", parent)
        header = {"kind": "outcome", "session": SESSION, "call": "c000200", "result": "crashed"}
        write_frame(file, SECRET, header)
    assert job.finish() == 0
    value, *errors, last = job.results()
    assert (value, last) == (1024, 4)
    assert [type(error) for error in errors] == [DependencyError] * 2
    for error, key in zip(errors, ("c000200", "c000300"), strict=True):
        assert f"the value of the call {key}, an argument of this call, was missing" in str(error)


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
    """A call may damage its process and so the next call, but not the outcomes."""
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


def test_initializer_that_raises_breaks_the_executor(job):
    """No call runs, and the cause of each error is the initializer's exception."""
    results = job.run(noted("call"), noted("call"), initializer=(fail, "no license"))
    assert [type(result) for result in results] == [BrokenCondorExecutor] * 2
    assert "no license" in str(results[0])
    assert isinstance(results[0].__cause__, ValueError)
    assert "in fail" in results[0].__cause__.__cause__.text
    assert not (job.path / "traces").exists()


@pytest.mark.parametrize(("limit", "processes"), [(1, 6), (2, 3), (4, 2), (None, 1)])
def test_fresh_process_after_so_many_calls(job, limit, processes):
    """The test compares pids. A fresh process is not a crash."""
    pids = job.run(*[(os.getpid,)] * 6, max_tasks_per_child=limit)
    assert len(set(pids)) == processes
    assert job.status == 0


# Standard output and error.


def test_each_call_has_its_part_of_the_output(job):
    """print, a C library or a subprocess may write. The output of the initializer belongs to no call."""

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


# What a call used.


def use_memory(mebibytes):
    len(bytearray(mebibytes << 20))


def use_cpu(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_each_call_tells_what_it_used(job):
    """The memory of a call is not that of an earlier call of its process."""
    run_python = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'for _ in range(10**7): pass'])"
    job.run((use_memory, 100), (use_cpu, 0.2), (exec, run_python), (fail, "after all"))
    (_, large), (cpu, small), (of_other, _), (_, failed) = (
        outcome.header["usage"] for outcome in job.outcomes().values()
    )
    assert large > 100 << 20
    assert 1 << 20 < small < large - (90 << 20)
    assert 0.2 <= cpu < 5
    assert of_other > 0.02  # of the process that it started
    assert failed is not None


def test_a_peak_that_may_be_an_earlier_calls_is_not_told(job):
    """The kernel does not forget it, for example where the files of processes cannot be written."""
    forbid = (
        "import os; real = os.open; os.open = lambda name, *args, real=real: "
        "real(str(name).replace('clear_refs', 'x'), *args)"
    )
    job.run((exec, forbid), (use_memory, 50), (use_memory, 10), (use_memory, 100))
    _, first, lower, higher = (outcome.header["usage"][1] for outcome in job.outcomes().values())
    assert first > 50 << 20
    assert lower is None
    assert higher > 100 << 20


def test_outcome_has_the_time_of_the_submission(job):
    before = time.time()
    job.run((pow, 2, 3))
    header = job.outcomes()["c000000"].header
    assert before - 0.001 <= header["submitted"] <= header["started"]
