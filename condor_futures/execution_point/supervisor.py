"""The first process of a job. It makes sure that each call has an outcome when the job ends.

It makes no calls itself, but forks a child that makes them. If the child is killed or exits, the supervisor writes the
outcome of the current call (signal or exit status), and forks again for the rest of the bundle. So the job always ends
normally with all its output files. A missing output file would put the job on hold with code 12/2, and the hold reason
would hide the signal (HTCondor 25.14).
"""

import _signal as signal  # type: ignore[import-not-found]
import os
import sys

from .bundle import CRASHED, NAMED, RAISED, Bundle
from .child import STAGE_SIZE, Child
from .code import finder
from .forking import await_child, fork, handle, how_it_died, new_stage, stage_of
from .main_module import main_module

TYPE_CHECKING = False  # importing typing would take milliseconds in every job; type checkers know this name.
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

BOOT = (
    "import sys; sys.path[0] = sys.argv[1]; "
    "from condor_futures_execution_point import supervisor; supervisor.main(sys.argv[1:])"
)
"""Starts this module from the zip file. Running the zip file itself would import runpy, which takes 3 ms per job."""


def _die(bundle: Bundle, number: int) -> None:
    """Die of the signal, as the child did. No outcome is written, because the job runs again."""
    try:
        if os.path.isdir(bundle.checkpoints):
            from . import checkpoints

            checkpoints.pack(bundle)
    finally:
        handle(signal.SIG_DFL)
        os.kill(os.getpid(), number)


def supervise(bundle: Bundle) -> bool:
    """Have the calls of *bundle* made. Return True if no call crashed its process."""
    bundle.keep_what_counts()
    calls = bundle.call_keys()
    stage = new_stage()

    def make_calls() -> None:
        child = Child(stage)
        child.run(bundle)
        child.leave()

    well = True
    while True:
        before = bundle.reported()
        if len(before) == len(calls):
            return well
        stage[:STAGE_SIZE] = b"start".ljust(STAGE_SIZE)
        child = fork(make_calls)
        stopped, status = await_child(child, stage)
        if stopped:
            _die(bundle, stopped)
        at = stage_of(stage)
        bundle.cut_torn()
        after = bundle.reported()
        if at == "left" and len(after) > len(before):  # the second condition guarantees that the loop ends
            continue
        well = False
        details = dict(how_it_died(status), stage=at)
        # If the child died during a call, this call is lost. If it died between calls, but had made some, the cause may
        # be left over from them, so a new child continues. If it had made none, a new child would die the same way.
        if at in calls and at not in after:
            lost = [at]
        else:
            lost = [call for call in calls if call not in after] if after == before else []
        for call in lost:
            bundle.report(call, "crashed", **details)


def _check_python(bundle: Bundle, argv: "list[str]") -> "dict[str, Any] | None":
    """Switch to the client's version of Python if it is installed here; else return what to report of each call.

    If the job has an environment of its own, no other Python will do.
    """
    here = "%d.%d" % sys.version_info[:2]
    wanted = bundle.head["python"]
    environment = bundle.head.get("environment")
    refused = os.environ.pop("CONDOR_FUTURES_REFUSED", None)
    moved = os.environ.pop("CONDOR_FUTURES_PYTHON", None)
    found = {"here": here, "wanted": wanted, "executable": sys.executable}
    if refused is not None:
        return dict(found, environment=environment, reason=refused)
    if here == wanted:
        return None
    if environment:
        return dict(found, environment=environment)
    if moved is None:
        os.environ["CONDOR_FUTURES_PYTHON"] = here
        try:
            os.execvp("python" + wanted, ["python" + wanted, "-c", BOOT] + argv)
        except OSError:
            pass
    return found


def _refuse(bundle: Bundle, refusal: "dict[str, Any]") -> int:
    bundle.keep_what_counts()
    for key in bundle.call_keys():
        bundle.report(key, "python", **refusal)
    if "reason" in refusal:
        return CRASHED  # on another machine, the environment may work
    return RAISED if bundle.head.get("strict") else 0


def _take_out() -> None:
    """Move files to where the calls find them that HTCondor could transfer only in a directory, because of their names.

    If the job runs where its files are spooled, an earlier attempt may have done that, or a part of it.
    """
    for directory in os.listdir("."):
        if directory.startswith(NAMED):
            for name in os.listdir(directory):
                try:
                    os.rename(os.path.join(directory, name), name)
                except OSError:
                    pass  # there is a directory of this name
            try:
                os.rmdir(directory)
            except OSError:
                pass


def _import_from(places: "list[str]") -> None:
    """Let the calls, and Python processes that they start, import the files that were transferred with the job."""
    sys.path[1:1] = places
    os.environ["PYTHONPATH"] = os.pathsep.join(places + list(filter(None, [os.environ.get("PYTHONPATH")])))


def _maker(bundle: Bundle, refusal: "dict[str, Any] | None") -> "Callable[[], int]":
    """Return what makes the calls. Its modules are imported before the job changes to another directory.

    They are found by the path of the runner, which may be relative.
    """
    if bundle.head.get("line"):
        from . import warm  # its modules are for warm jobs only

        return lambda: warm.serve(bundle, refusal)
    if refusal:
        return lambda: _refuse(bundle, refusal)
    if bundle.head.get("stream"):
        from . import streaming

        return lambda: streaming.serve(bundle)
    return lambda: bundle.status(supervise(bundle))


def main(argv: "list[str]") -> "NoReturn":
    """Run the bundle ``argv[1]``, and exit with status 0, :data:`CRASHED`, :data:`RETRY` or :data:`RAISED`.

    ``argv[0]`` is the zip file that contains this module, and is the first entry of ``sys.path``.
    """
    # Absolute paths, because a call may change the working directory.
    sys.path[0] = os.path.abspath(argv[0])
    bundle = Bundle(argv[1])
    refusal = _check_python(bundle, argv)
    _take_out()
    finder.use(bundle.head.get("code"))
    main_module.script = bundle.head.get("main", "")
    _import_from([os.getcwd()] + [os.path.abspath(archive) for archive in bundle.head.get("archives", ())])
    make = _maker(bundle, refusal)
    if bundle.head.get("scratch"):
        os.chdir(os.environ.get("_CONDOR_SCRATCH_DIR", "."))
    status = make()
    if os.path.isdir(bundle.checkpoints):
        from . import checkpoints

        checkpoints.leave(bundle, well=status == 0)
    os._exit(status)  # nothing was printed here, and finalizing the interpreter takes milliseconds
