"""Start the helper process: ``python .../access_point/helper/__main__.py [LOCK]``.

Python runs this module as a file. ``python -m`` would import the whole package, which takes longer than importing
``htcondor2``. So this module puts the parent packages into ``sys.modules`` without running their ``__init__``. The
helper then imports modules from them as usual.
"""

import contextlib
import fcntl
import json
import sys
from pathlib import Path
from types import ModuleType


def _make_package(name: str, directory: Path) -> None:
    """Make modules in the package *name* importable without running its ``__init__``."""
    package = ModuleType(name)
    package.__path__ = [str(directory)]
    sys.modules[name] = package


if __name__ == "__main__":
    # The client's search path, so that the helper imports the same htcondor2 as the client.
    sys.path[:] = json.loads(sys.stdin.readline())
    _make_package("condor_futures", Path(__file__).parents[2])
    _make_package("condor_futures.access_point", Path(__file__).parents[1])
    if sys.argv[1:]:
        # The session's lock (files/process_lock): no client attaches to the session while this process may still submit
        # its jobs.
        lock = open(sys.argv[1], "rb")  # noqa: PTH123, SIM115 - the process holds it until it exits
        with contextlib.suppress(OSError):
            fcntl.lockf(lock, fcntl.LOCK_SH)
    from condor_futures.access_point.helper.serving import serve

    serve()
