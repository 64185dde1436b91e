"""Starts the helper process: ``python .../access_point/helper/__main__.py [LOCK]``.

It is run as a file: ``python -m`` would import the whole package, which takes longer than ``htcondor2`` does. So the
packages above this one are put into ``sys.modules`` without running their ``__init__``; what the helper imports from
them is found as everywhere else.
"""

import contextlib
import fcntl
import json
import sys
from pathlib import Path
from types import ModuleType


def _make_package(name: str, directory: Path) -> None:
    """Let modules below *name* be imported without running its ``__init__``."""
    package = ModuleType(name)
    package.__path__ = [str(directory)]
    sys.modules[name] = package


if __name__ == "__main__":
    # The client's own search path, so that the helper finds the htcondor2 that the client has.
    sys.path[:] = json.loads(sys.stdin.readline())
    _make_package("condor_futures", Path(__file__).parents[2])
    _make_package("condor_futures.access_point", Path(__file__).parents[1])
    if sys.argv[1:]:
        # The session's lock (files/process_lock): nobody attaches to the session while this process may still submit
        # for it.
        lock = open(sys.argv[1], "rb")  # noqa: PTH123, SIM115 - it is held until the end
        with contextlib.suppress(OSError):
            fcntl.lockf(lock, fcntl.LOCK_SH)
    from condor_futures.access_point.helper.serving import serve

    serve()
