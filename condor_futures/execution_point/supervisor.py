"""The first process of a job: it has the calls made, and always ends with an outcome for each.

It makes no calls. It forks a child that does; when the child dies, it writes that call's outcome (signal or exit
status) and forks again for the rest of the bundle. So the job ends normally with all its outputs whatever the calls do:
a declared output that is missing would put the job on hold with code 12/2, whose reason hides the signal (HTCondor
25.14).
"""

# The module signal makes enums of its constants, for half a millisecond a job.
import _signal as signal  # type: ignore[import-not-found]
import mmap
import os
import sys

from .bundle import CRASHED, RAISED, Bundle
from .child import STAGE_SIZE, Child

TYPE_CHECKING = False  # typing takes milliseconds to import, in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn

BOOT = (
    "import sys; sys.path[0] = sys.argv[1]; "
    "from condor_futures_execution_point import supervisor; supervisor.main(sys.argv[1:])"
)
"""What starts this module from the zip file: running the zip file itself would import runpy, which takes 3 ms a job."""


def sandbox(key: str) -> "Iterator[Bundle]":
    """A source of bundles: the one that came with the job, then nothing more.

    A source is an iterable of :class:`Bundle`; another one may fetch bundles from the access point for as long as
    there are any.
    """
    yield Bundle(key)


def _fork(bundles: "Iterable[Bundle]", stage: "mmap.mmap") -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        import faulthandler

        faulthandler.enable()  # A segmentation fault then leaves the Python stack in the job's standard error.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setpgid(0, 0)  # or a call that kills its process group, as `kill 0` in a script does, took us with it
        # What the calls see as __main__ is theirs, not this file.
        sys.modules["__main__"] = type(sys)("__main__")
        child = Child(stage)
        for bundle in bundles:
            child.run(bundle)
        child.leave()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(CRASHED)


def supervise(bundle: Bundle) -> bool:
    """Have the calls of *bundle* made; True if none of them killed its process."""
    bundle.keep_what_counts()
    calls = bundle.call_keys()
    stage = mmap.mmap(-1, STAGE_SIZE)  # not a file: the disk may be full
    well = True
    while True:
        before = bundle.reported()
        if len(before) == len(calls):
            return well
        stage[:] = b"start".ljust(STAGE_SIZE)
        child = _fork([bundle], stage)

        def stop(number: int, _: object, child: int = child) -> None:
            # HTCondor's soft kill (eviction, hold, removal): pass it on and die of it. No outcome: the job runs again.
            try:
                os.kill(child, number)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # it had just ended
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, stop)
        _, status = os.waitpid(child, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        at = stage[:].decode().strip()
        bundle.cut_torn()
        after = bundle.reported()
        if at == "left" and len(after) > len(before):  # so this comes to an end
            continue
        well = False
        details: "dict[str, Any]" = {"stage": at}
        if os.WIFSIGNALED(status):
            details["signal"] = os.WTERMSIG(status)
        else:
            details["exit_status"] = os.WEXITSTATUS(status)
        # A child that died inside a call takes that call with it. One that died outside any, but made some, may have
        # died of what they left behind; one that made none would do so again.
        if at in calls and at not in after:
            lost = [at]
        else:
            lost = [call for call in calls if call not in after] if after == before else []
        for call in lost:
            bundle.report(call, "crashed", **details)


def _check_python(bundle: Bundle, argv: "list[str]") -> None:
    """Leave for the client's version of Python where there is one; otherwise report the mismatch."""
    here = "%d.%d" % sys.version_info[:2]
    wanted = bundle.head["python"]
    moved = os.environ.pop("CONDOR_FUTURES_PYTHON", None)
    if here == wanted:
        return
    if moved is None:
        os.environ["CONDOR_FUTURES_PYTHON"] = here
        try:
            os.execvp("python" + wanted, ["python" + wanted, "-c", BOOT] + argv)
        except OSError:
            pass
    bundle.keep_what_counts()
    for key in bundle.call_keys():
        bundle.report(key, "python", here=here, wanted=wanted, executable=sys.executable)
    sys.exit(RAISED if bundle.head.get("strict") else 0)


def _import_from(places: "list[str]") -> None:
    """Let the calls, and the Pythons that they start, import what came with the job."""
    sys.path[1:1] = places
    os.environ["PYTHONPATH"] = os.pathsep.join(places + list(filter(None, [os.environ.get("PYTHONPATH")])))


def main(argv: "list[str]") -> "NoReturn":
    """Run the bundle that ``argv[1]`` names; exit status 0, :data:`CRASHED`, :data:`RETRY` or :data:`RAISED`.

    ``argv[0]`` is the zip file that this module comes from, and stands first in ``sys.path``.
    """
    # Both absolute: a call may change the working directory.
    sys.path[0] = os.path.abspath(argv[0])
    status = 0
    for bundle in sandbox(argv[1]):
        _check_python(bundle, argv)
        _import_from([os.getcwd()] + [os.path.abspath(archive) for archive in bundle.head.get("archives", ())])
        if bundle.head.get("scratch"):
            os.chdir(os.environ.get("_CONDOR_SCRATCH_DIR", "."))
        status = bundle.status(supervise(bundle)) or status
    os._exit(status)  # nothing was printed here, and taking the interpreter down costs milliseconds
