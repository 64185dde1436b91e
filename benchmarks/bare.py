"""The same work with htcondor2 alone: the baseline of the benchmarks.

It submits a spooled cluster of Python jobs. Each job unpickles a function and its arguments, calls the function, and
pickles the value. The client reads the events as HTCondor writes them, and retrieves all outputs in one call.
"""

from __future__ import annotations

import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

JOB = """\
#!{python}
import pickle, sys
with open(sys.argv[1] + ".in", "rb") as file:
    function, arguments = pickle.load(file)
value = function(*arguments)
with open(sys.argv[1] + ".out", "wb") as file:
    pickle.dump(value, file, 5)
"""


class Bare:
    """Submits to the schedd that is local according to CONDOR_CONFIG at the time the object is made."""

    def __init__(self, transfer: str) -> None:
        import htcondor2

        self.htcondor = htcondor2
        self.schedd = htcondor2.Schedd()
        self.directory = Path(tempfile.mkdtemp())
        self.log = self.directory / "log"
        self.log.touch()
        self.script = self.directory / "job.py"
        self.script.write_text(JOB.format(python=sys.executable))
        self.script.chmod(0o755)
        self.events = htcondor2.JobEventLog(str(self.log))
        self.count = 0
        self.clusters: list[int] = []
        self.transfer = transfer

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Run the calls as one cluster, and return their values."""
        htcondor = self.htcondor
        keys = []
        for args in arguments:
            keys.append(f"j{self.count}")
            self.count += 1
            with (self.directory / f"{keys[-1]}.in").open("wb") as file:
                pickle.dump((function, args), file, 5)
        description = htcondor.Submit(
            {
                "executable": str(self.script),
                "arguments": "$(key)",
                "initialdir": str(self.directory),
                "transfer_input_files": "$(key).in",
                "transfer_output_files": "$(key).out",
                "output": "$(key).stdout",
                "error": "$(key).stderr",
                "should_transfer_files": self.transfer,
                "when_to_transfer_output": "ON_EXIT",
                "dagman_log": str(self.log),
                "keep_claim_idle": "20",
                "notification": "never",
            }
        )
        result = self.schedd.submit(description, spool=True, itemdata=iter([{"key": key} for key in keys]))
        self.schedd.spool(result)
        left = len(keys)
        for event in self.events.events(stop_after=None):
            if event.type is htcondor.JobEventType.JOB_TERMINATED and event.cluster == result.cluster():
                left -= 1
                if left == 0:
                    break
        self.schedd.retrieve(f"ClusterId == {result.cluster()}")
        values = [pickle.loads((self.directory / f"{key}.out").read_bytes()) for key in keys]
        self.clusters.append(result.cluster())
        return values

    def close(self) -> None:
        """Remove all jobs from the queue, and all files."""
        constraint = " || ".join(f"ClusterId == {cluster}" for cluster in self.clusters)
        self.schedd.act(self.htcondor.JobAction.Remove, constraint)
        while self.schedd.query(constraint, ["ClusterId"]):  # until the cluster is gone, HTCondor writes to the log
            time.sleep(0.05)
        self.events.close()
        shutil.rmtree(self.directory)
