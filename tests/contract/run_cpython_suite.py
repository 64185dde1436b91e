"""Run CPython's own tests of concurrent.futures on CondorExecutor.

    python tests/contract/run_cpython_suite.py [--only PATTERN] [--list] [--jobs N] [--limit SECONDS]

No test is copied: the tests are those of the running interpreter's own standard library (the module
``test.test_concurrent_futures`` up to Python 3.11, the package of that name in later versions). The script runs every
test for ProcessPoolExecutor once, on a personal pool that it starts. Each test has a process of its own. If a test
takes too long, its process prints its stacks and is killed. Where a test names an internal of the standard library,
:class:`SuiteExecutor` has our counterpart under that name. The output lists all other changes beside the test. No
timeout is changed.

The exit status is 0 if no test failed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fnmatch
import importlib
import json
import multiprocessing
import os
import pickle
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import process as standard_process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condor_futures import CondorExecutor, JobCrashedError, OutcomeError, RemoteTraceback
from condor_futures.future import CondorFuture
from condor_futures.personal import PersonalPool, find_htcondor, install

_JOB = "a job is a fresh process on another machine: there are no processes to look at"
_PIPE = "shares a multiprocessing object (a pipe) with its calls"
_MOCK = "replaces ProcessPoolExecutor's own threads or processes"
_PRIVATE = "names a private method of ProcessPoolExecutor"

#: By the end of the test's name: why the test does not apply to an executor whose calls are jobs.
NOT_APPLICABLE = {
    "test_processes_terminate": f"{_PIPE}; {_JOB}",
    "test_killed_child": f"{_JOB} (a call that is killed: tests/pool)",
    "test_broken_process_pool_traceback": _JOB,
    "ProcessPoolExecutorTest.test_saturation": f"{_PIPE}; {_JOB}",
    "test_idle_process_reuse_one": _JOB,
    "test_idle_process_reuse_multiple": _JOB,
    "test_max_tasks_per_child": f"{_JOB} (it is the processes of one job that are counted: tests/pool)",
    "test_max_tasks_per_child_defaults_to_spawn_context": "names start methods",
    "test_shutdown_no_wait_max_tasks_gh119592": f"{_PIPE}; {_JOB}, none that has to be replaced",
    "test_gc_during_max_tasks_worker_exit_gh152967": f"{_PIPE}; {_JOB}, none that has to be replaced",
    "test_force_shutdown_during_max_tasks_worker_exit": f"{_PIPE}; {_MOCK}",
    "test_failed_worker_replacement_breaks_pool": f"{_PIPE}; {_MOCK}",
    "test_python_finalization_error": _MOCK,
    "test_gh105829_should_not_deadlock_if_wakeup_pipe_full": _MOCK,
    "test_force_shutdown_workers": f"{_PIPE}; {_JOB}",
    "test_force_shutdown_workers_stops_pool": f"{_PIPE}; {_JOB}",
    "test_force_shutdown_workers_dead_workers": _JOB,
    "test_force_shutdown_workers_not_started_yet": _JOB,
    "test_force_shutdown_workers_invalid_op": _PRIVATE,
    "test_terminate_workers": f"{_PRIVATE} (terminating: tests/contract/test_endings.py)",
    "test_kill_workers": f"{_PRIVATE} (killing: tests/contract/test_endings.py)",
    "test_cancel_queued_with_one_process": _JOB,
    "test_process_fork_from_a_threadpool": "names start methods",
    "FutureTests.test_cancel": "a call that runs can be cancelled: its job is removed",
}

#: By the end of the test's name: how the test is changed, apart from names.
ADAPTED = {
    **dict.fromkeys(
        (
            "test_ressources_gced_in_workers",
            "WaitTest.test_first_completed",
            "WaitTest.test_first_completed_some_already_completed",
            "WaitTest.test_first_exception",
            "WaitTest.test_first_exception_one_already_failed",
            "WaitTest.test_first_exception_some_already_complete",
            "WaitTest.test_timeout",
        ),
        "its events, where it has any, are files",
    ),
    "FailingInitializerTest.test_initializer": "the initializer's log stays where the job runs",
    "test_interpreter_shutdown": "what a call prints is in future.stdout(); the script prints that",
    "test_hang_gh83386": "what a call prints is in future.stdout(); the script prints that",
    "ShutdownTest.test_cancel_futures": "the shutdown waits for a call to run: a job takes a second to start",
    "test_exit_at_task_unpickle": "the call fails with what was raised, SystemExit",
    "test_error_at_task_unpickle": "the call fails with what was raised, UnpicklingError",
    "test_crash_at_task_unpickle": "a crash costs only its own call",
    "test_crash_during_func_exec_on_worker": "a crash costs only its own call",
    "test_crash_during_result_pickle_on_worker": "a crash costs only its own call",
    "test_error_during_result_unpickle_in_result_handler": "costs only its own call: OutcomeError",
    "test_exit_during_result_unpickle_in_result_handler": "costs only its own call: OutcomeError",
    "test_shutdown_deadlock": "a crash costs only its own call",
    "test_crash_big_data": "a crash costs only its own call",
}

#: The replacements for BrokenProcessPool. It ends an executor; here, only one call fails.
_INSTEAD_OF_BROKEN: dict[str, type[BaseException]] = {
    "test_exit_at_task_unpickle": SystemExit,
    "test_error_at_task_unpickle": pickle.UnpicklingError,
    "test_error_during_result_unpickle_in_result_handler": OutcomeError,
    "test_exit_during_result_unpickle_in_result_handler": OutcomeError,
}

#: Tests for ThreadPoolExecutor that also apply here. (Before 3.13, this one requires a call to begin at once.)
_OF_THREADS_TOO = ("test_cancel_futures_wait_false",) if sys.version_info >= (3, 13) else ()


class SuiteExecutor(CondorExecutor):
    """A CondorExecutor on the personal pool that also has the private names of the standard library."""

    echo = False
    """Whether to print the output of the calls."""
    _processes: dict[int, Any] = {}  # noqa: RUF012 - there are none
    _call_queue = types.SimpleNamespace(join_thread=lambda: None)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, access_point="personal", **kwargs)
        self._executor_manager_thread = self._engine.watcher._thread

    @property
    def _broken(self) -> object:
        return self._engine.watcher.broken

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> CondorFuture[Any]:
        future = super().submit(fn, *args, **kwargs)
        if self.echo:
            future.add_done_callback(lambda done: print(done.stdout(), end="", flush=True))
        return future


class FileEvent:
    """The counterpart of a multiprocessing manager's event: a file that a job and this process both see."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(dir=os.environ["XDG_STATE_HOME"])) / "set"

    def is_set(self) -> bool:
        return self.path.exists()

    def set(self) -> None:
        self.path.touch()

    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


class FileManager:
    """The counterpart of multiprocessing's manager. The tests that run use only its events."""

    Event = FileEvent

    def shutdown(self) -> None:
        pass

    join = shutdown


class Future(CondorFuture[Any]):
    """A CondorFuture that can be made without a call. The tests also check the name of its class."""

    def __init__(self) -> None:
        super().__init__("c0")


@dataclass(frozen=True)
class Test:
    """One test. *reason* says why it is not applicable; *method* says how to get the test if it is applicable."""

    name: str
    case: type[unittest.TestCase] | None = None
    method: str = ""
    reason: str = ""


def look_up(table: dict[str, str], name: str) -> str:
    """Return the entry of *table* whose key is the end of *name*, at a word boundary."""
    return next((text for key, text in table.items() if re.search(rf"(^|\.|[A-Za-z]){re.escape(key)}$", name)), "")


def modules() -> list[types.ModuleType]:
    """Return the modules of the standard library that have the tests."""
    try:
        suite = importlib.import_module("test.test_concurrent_futures")
    except ModuleNotFoundError:
        sys.exit("This Python was installed without its own tests (test.test_concurrent_futures).")
    if not hasattr(suite, "__path__"):
        return [suite]
    names = [found.name for found in pkgutil.iter_modules(suite.__path__) if found.name.startswith("test_")]
    return [importlib.import_module(f"{suite.__name__}.{name}") for name in names]


def a_mixin(util: types.ModuleType) -> type:  # noqa: C901 - it is a class
    """The counterpart of ProcessPoolForkMixin."""

    class CondorMixin(util.ExecutorMixin):  # type: ignore[misc, name-defined]
        executor_type = SuiteExecutor
        ctx = "spawn"

        def get_context(self) -> Any:
            context = multiprocessing.get_context(self.ctx)
            context.Manager = FileManager
            return context

        def create_event(self) -> FileEvent:
            return FileEvent()

        def setUp(self) -> None:
            method = self._testMethodName
            if hasattr(self, "_assert_logged"):
                self.executor_kwargs.pop("initargs")
                self._assert_logged = lambda _: contextlib.nullcontext()
            super().setUp()
            name = "_check_error" if hasattr(self, "_check_error") else "_check_crash"  # (before 3.14)
            if check := getattr(self, name, None):

                def check_error(error: type, *args: Any, **kwargs: Any) -> None:
                    check(_INSTEAD_OF_BROKEN.get(method, error), *args, **kwargs)

                setattr(self, name, check_error)
                self._fail_on_deadlock = self._deadlock
            if method == "test_hang_gh83386":
                self.ctx = ""
            elif method == "test_cancel_futures":
                shutdown = self.executor.shutdown

                def shutdown_when_a_call_runs(**kwargs: Any) -> None:
                    while kwargs.get("cancel_futures") and not self.executor.counts()["running"]:
                        time.sleep(0.01)
                    shutdown(**kwargs)

                self.executor.shutdown = shutdown_when_a_call_runs

        def _deadlock(self, executor: SuiteExecutor) -> None:
            executor.terminate_workers()
            self.fail("executor deadlock")

    return CondorMixin


def collect() -> Iterator[Test]:  # noqa: C901, PLR0912 - a table of kinds
    """Yield all tests: those of ProcessPoolExecutor once, and of the others those that differ."""
    seen: set[str] = set()
    others: list[Test] = []
    for module in modules():
        util = importlib.import_module(f"{module.__package__}.util") if module.__package__ != "test" else module
        fork, mixin = util.ProcessPoolForkMixin, a_mixin(util)
        for name, case in sorted(vars(module).items()):
            if not (isinstance(case, type) and issubclass(case, unittest.TestCase)):
                continue
            if case.__module__ != module.__name__:
                continue
            methods = unittest.defaultTestLoader.getTestCaseNames(case)
            if issubclass(case, fork):
                bases = tuple(mixin if base is fork else base for base in case.__bases__)
                own = type(name.replace("ProcessPoolFork", "Condor"), bases, {"__module__": module.__name__})
                for method in methods:
                    seen.add(method)
                    full = f"{own.__name__}.{method}"
                    yield Test(full, own, method, look_up(NOT_APPLICABLE, full))
            elif name == "FutureTests":
                for method in methods:
                    yield Test(f"{name}.{method}", case, method, look_up(NOT_APPLICABLE, f"{name}.{method}"))
            elif hasattr(util, "ThreadPoolMixin") and issubclass(case, util.ThreadPoolMixin):
                for method in methods:
                    if method in _OF_THREADS_TOO:
                        body = {method: getattr(case, method), "__module__": module.__name__}
                        own = type("CondorThreadPoolTest", (mixin, util.BaseTestCase), body)
                        yield Test(f"{own.__name__}.{method}", own, method)
                    else:
                        others.append(Test(f"{name}.{method}", reason="names threads, or shares memory with its calls"))
            elif not name.startswith(("ProcessPool", "BaseTestCase")):
                interpreters = "interpreter" in f"{module.__name__}.{name}".lower()
                reason = "names sub-interpreters" if interpreters else "names multiprocessing's own processes"
                others.extend(Test(f"{name}.{method}", reason=reason) for method in methods)
    yield from (test for test in others if test.name.split(".")[1] not in seen)


def prepare(test: Test) -> None:
    """Replace names in the module of *test* by ours."""
    assert test.case is not None
    module = sys.modules[test.case.__module__]
    names = vars(module)
    if test.case.__name__ == "FutureTests":
        vars(sys.modules[names["create_future"].__module__])["Future"] = names["Future"] = Future
        for name in [name for name in names if name.endswith("_FUTURE")]:
            theirs, names[name] = names[name], Future()
            vars(names[name]).update(_state=theirs._state, _exception=theirs._exception, _result=theirs._result)
        return
    RemoteTraceback.tb = property(lambda self: self.text)  # type: ignore[attr-defined]
    standard = {name: getattr(concurrent.futures, name) for name in [*concurrent.futures.__all__, "_base", "thread"]}
    if test.method != "test_hang_gh83386":  # the test asks for the class only to skip itself
        standard["ProcessPoolExecutor"] = SuiteExecutor
    process = types.SimpleNamespace(**{**vars(standard_process), "_RemoteTraceback": RemoteTraceback})
    ours = {
        "futures": types.SimpleNamespace(**{**standard, "process": process}),
        "BrokenProcessPool": JobCrashedError,
        "assert_python_ok": a_script_of_ours(names.get("assert_python_ok")),
    }
    names.update({name: value for name, value in ours.items() if name in names})


def a_script_of_ours(assert_python_ok: Any) -> Any:
    """assert_python_ok, with the executor of this file in the script."""
    here = str(Path(__file__).parent)
    executor = r"from run_cpython_suite import SuiteExecutor as \1; \1.echo = True"
    start = f"import sys; sys.path.insert(0, {here!r}); {executor}"

    def run(option: str, script: str) -> Any:
        return assert_python_ok(option, re.sub(r"from concurrent\.futures import (\w+)", start, script))

    return run


def run_one(test: Test, report: Path) -> None:
    """Run *test* in this process, and write the result."""
    from test import support

    assert test.case is not None
    prepare(test)
    result = unittest.TestResult()
    test.case(test.method).run(result)
    outcome = {
        "failed": [text for _, text in result.failures + result.errors],
        "skipped": [s for _, s in result.skipped],
    }
    # Before 3.11, a thread that has ended also counts as a change, until the garbage collector finds its object.
    altered = support.environment_altered and sys.version_info >= (3, 11)
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if (altered or left) and not outcome["failed"]:
        outcome["failed"].append("it left threads or processes behind")
    report.write_text(json.dumps(outcome))


def run_apart(test: Test, limit: float, directory: Path) -> tuple[str, str]:  # noqa: PLR0911 - one per way to end
    """Run *test* in a process of its own. Return ``passed``, ``failed`` or ``not applicable``, and the reason."""
    if test.reason:
        return "not applicable", test.reason
    report = directory / f"{test.name}.json"
    output = directory / f"{test.name}.txt"
    command = [sys.executable, "-X", "faulthandler", __file__, "--only", test.name, "--child", str(report)]
    with output.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            child.wait(limit)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGABRT)  # faulthandler writes the stacks of all threads
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(5)
            return "failed", f"no end after {limit:.0f} s\n{output.read_text(errors='replace')[-6000:]}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    said = output.read_text(errors="replace")
    if not report.exists():
        return "failed", f"its process left with status {child.returncode}\n{said[-6000:]}"
    outcome = json.loads(report.read_text())
    if outcome["failed"]:
        return "failed", "\n".join([*outcome["failed"], said[-3000:]]).strip()
    if child.returncode:
        return "failed", f"passed, but then its process left with status {child.returncode}\n{said[-6000:]}"
    if outcome["skipped"]:
        return "not applicable", f"it skips itself: {outcome['skipped'][0]}"
    return "passed", look_up(ADAPTED, test.name)


@contextlib.contextmanager
def a_pool(directory: Path) -> Iterator[None]:
    """Make ``access_point="personal"`` refer to a pool of this run, in *directory*."""
    os.environ["XDG_STATE_HOME"] = str(directory)
    with PersonalPool(slots=8, release=find_htcondor() or install()):
        yield


def run_all(tests: list[Test], jobs: int, limit: float) -> int:
    """Run the tests, print the results, and return the exit status."""
    counts = {"passed": 0, "failed": 0, "not applicable": 0}
    failures = []
    # The directory is not below the user's own temporary directory: a job of another account must be able to enter it.
    directory = Path(tempfile.mkdtemp(prefix="condor-futures-suite-"))
    try:
        with a_pool(directory), ThreadPoolExecutor(jobs) as threads:
            for test, (how, why) in zip(
                tests, threads.map(lambda test: run_apart(test, limit, directory), tests), strict=True
            ):
                counts[how] += 1
                if how == "failed":
                    failures.append((test.name, why))
                first = why.strip().splitlines()[-1] if why else ""
                print(f"{how:15}{test.name}{f'  [{first}]' if first else ''}", flush=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    for name, why in failures:
        print(f"\n=== {name}\n{why.rstrip()}")
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"\nPython {version}: " + ", ".join(f"{count} {how}" for how, count in counts.items()))
    return 1 if failures else 0


def main() -> int:
    """Parse the command line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="PATTERN", default="*", help="tests whose name contains, or matches, this")
    parser.add_argument("--list", action="store_true", help="list the tests, and run none")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="tests at a time")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=60, help="for one test")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    tests = [t for t in collect() if options.only in t.name or fnmatch.fnmatch(t.name, options.only)]
    if options.child:
        (test,) = (t for t in tests if t.name == options.only)
        run_one(test, options.child)
        return 0
    if options.list:
        for test in tests:
            note = f"not applicable: {test.reason}" if test.reason else look_up(ADAPTED, test.name)
            print(f"{test.name}{f'  [{note}]' if note else ''}")
        return 0
    return run_all(tests, options.jobs, options.limit)


if __name__ == "__main__":
    sys.exit(main())
