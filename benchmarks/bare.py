"""The same work with htcondor2 alone: jobs of one cluster, whose events the client reads as HTCondor writes them."""

from __future__ import annotations

import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
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
    """Submits to the schedd that is local according to CONDOR_CONFIG at the time the object is made.

    Args:
        spool: spool the jobs' files, and retrieve their outputs.

    """

    def __init__(self, *, spool: bool) -> None:
        import htcondor2

        self.htcondor = htcondor2
        self.schedd = htcondor2.Schedd()
        self.spool = spool
        self.directory = Path(tempfile.mkdtemp())
        self.log = self.directory / "log"
        self.log.touch()
        self.script = self.directory / "job.py"
        self.script.write_text(JOB.format(python=sys.executable))
        self.script.chmod(0o755)
        self.events = htcondor2.JobEventLog(str(self.log))
        self.count = 0
        self.clusters: list[int] = []

    def map(self, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Run the calls as one cluster of Python jobs, which unpickle a call and pickle its value."""
        keys = []
        for args in arguments:
            keys.append(f"j{self.count}")
            self.count += 1
            with (self.directory / f"{keys[-1]}.in").open("wb") as file:
                pickle.dump((function, args), file, 5)
        self.run(
            {
                "executable": str(self.script),
                "arguments": "$(key)",
                "transfer_input_files": "$(key).in",
                "transfer_output_files": "$(key).out",
            },
            keys,
        )
        return [pickle.loads((self.directory / f"{key}.out").read_bytes()) for key in keys]

    def run(self, commands: Mapping[str, str], keys: list[str]) -> None:
        """Run a cluster with a job for each key, and wait until all jobs have ended."""
        description = self.htcondor.Submit(
            {
                "initialdir": str(self.directory),
                "output": "$(key).stdout",
                "error": "$(key).stderr",
                "should_transfer_files": "IF_NEEDED",  # as this executor in a personal pool
                "when_to_transfer_output": "ON_EXIT",
                "dagman_log" if self.spool else "log": str(self.log),
                "keep_claim_idle": "20",
                "notification": "never",
                **commands,
            }
        )
        result = self.schedd.submit(description, spool=self.spool, itemdata=iter([{"key": key} for key in keys]))
        if self.spool:
            self.schedd.spool(result)
        self.clusters.append(result.cluster())
        left = len(keys)
        for event in self.events.events(stop_after=None):
            if event.type is self.htcondor.JobEventType.JOB_TERMINATED and event.cluster == result.cluster():
                left -= 1
                if left == 0:
                    break
        if self.spool:
            self.schedd.retrieve(f"ClusterId == {result.cluster()}")

    def close(self) -> None:
        """Remove all jobs from the queue, and all files."""
        constraint = " || ".join(f"ClusterId == {cluster}" for cluster in self.clusters) or "false"
        self.schedd.act(self.htcondor.JobAction.Remove, constraint)
        while self.schedd.query(constraint, ["ClusterId"]):  # until the cluster is gone, HTCondor writes to the log
            time.sleep(0.05)
        self.events.close()
        shutil.rmtree(self.directory)
